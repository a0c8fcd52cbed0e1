//! What a client's application does: it wants things, changes its mind, asks questions, and takes answers over.

use switchboard_call::client::{CallKey, Machine, NewCall, NewRead, NotAfter};
use switchboard_call::id::CallId;
use switchboard_commands::bank;

use super::Client;
use crate::intent;
use crate::scene::{Event, Scene};
use crate::teller;

impl Client {
    /// The application wants something.
    pub fn act(&mut self, scene: &mut Scene) {
        let client = self.index;
        let Some(life) = &self.life else { return };
        let number = life.number;
        if scene.calm || self.begun >= self.plan.calls {
            return;
        }
        match self.chance.below(12) {
            0 => self.ask_balance(scene),
            1 => self.ask_outcome(scene),
            _ if life.machine.calls().count() < self.plan.open_max => self.begin(scene),
            _ => {}
        }
        if self.lives(number) {
            let pause_us = self.pause_us();
            scene.after(pause_us, Event::ClientActs { client, life: number });
        }
    }

    fn begin(&mut self, scene: &mut Scene) {
        self.begun += 1;
        let client = self.index;
        let intent = scene.model.wishes.wish(Some(client));
        let command = intent::command(intent, &mut self.chance);
        scene.tell(|| format!("client {client}  wants w{intent}: {command:?}"));
        let plan = self.plan;
        let version = if self.chance.happens(plan.new_encoding) { 2 } else { bank::VERSION };
        let secret = self.chance.happens(plan.secrets);
        let patience_ms = *self.chance.pick(&[1, 50, 2_000, 20_000]);
        let not_after = self.chance.happens(plan.not_afters).then_some(NotAfter::WithinMs(patience_ms));
        let deadline = self.chance.happens(plan.deadlines);
        let cancel_us = self.chance.happens(plan.cancels).then(|| self.chance.below(3_000_000));
        let begun = self.with_machine_quietly(scene, |machine, now_ms| {
            machine.begin(
                now_ms,
                NewCall {
                    service: bank::SERVICE.to_owned(),
                    version,
                    body: teller::encode(&command, version),
                    not_after,
                    deadline_ms: deadline.then_some(now_ms + patience_ms),
                    secret,
                    label: intent::mark(intent),
                },
            )
        });
        match begun {
            Some(Ok(key)) => {
                let Some(life) = &mut self.life else { return };
                life.intents.insert(key, intent);
                let number = life.number;
                if let Some(us) = cancel_us {
                    scene.after(us, Event::ClientCancels { client, life: number, key });
                }
                self.carry_out(scene);
            }
            Some(Err(_)) => {
                let verdict = scene.model.wishes.never_sent(intent);
                scene.require(verdict);
                self.carry_out(scene);
            }
            None => {}
        }
    }

    /// One step whose outputs wait until its result is noted.
    fn with_machine_quietly<T>(
        &mut self,
        scene: &Scene,
        step: impl FnOnce(&mut Machine, u64) -> T,
    ) -> Option<T> {
        let life = self.life.as_mut()?;
        Some(step(&mut life.machine, scene.now_ms() - life.born_ms))
    }

    fn ask_balance(&mut self, scene: &mut Scene) {
        let number = i64::try_from(self.chance.between(1, 4)).expect("a few");
        let question = bank::Command::Balance { account: intent::account(number) };
        let body = minicbor::to_vec(&question).expect("a buffer takes everything");
        // A machine that stopped takes no questions.
        let _key = self.with_machine(scene, |machine, now_ms| {
            let deadline_ms = Some(now_ms + 5_000);
            let service = bank::SERVICE.to_owned();
            machine.read(now_ms, NewRead { service, version: bank::VERSION, body, deadline_ms })
        });
    }

    fn ask_outcome(&mut self, scene: &mut Scene) {
        let slots = scene.model.facts(scene.store).calls.slots();
        if slots.is_empty() {
            return;
        }
        let (id, ..) = *self.chance.pick(&slots);
        // A machine that stopped takes no questions.
        let _taken = self.with_machine(scene, |machine, now_ms| machine.outcome(now_ms, id));
    }

    /// The application changes its mind.
    pub fn cancel(&mut self, scene: &mut Scene, key: CallKey) {
        self.with_machine(scene, |machine, now_ms| machine.cancel(now_ms, key));
    }

    /// The application has taken an answer over.
    pub fn acknowledge(&mut self, scene: &mut Scene, id: CallId) {
        self.with_machine(scene, |machine, _| machine.acknowledge(id));
    }
}
