//! The one error of the binary: what happened, why, what to do next, and the exit code that a script sees. Everything that
//! can go wrong below is turned into it where the command knows what the person wanted. Absent: secrets; no text that a
//! person typed as a secret ever reaches a failure.

mod sources;

use std::error::Error;
use std::fmt;

use crate::exit::Exit;

/// What a command could not do.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    told: Box<Told>,
}

/// What is said about it.
#[derive(Debug, Default)]
struct Told {
    what: String,
    advice: Option<String>,
    call: Option<String>,
    refusal: Option<serde_json::Value>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure in words that already say what to do, as the errors of every crate here do.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, told: Box::new(Told { what: what.into(), ..Told::default() }) }
    }

    /// A failure whose text and causes are those of `error`.
    pub fn from_error(exit: Exit, error: impl Error + Send + Sync + 'static) -> Self {
        let what = error.to_string();
        let causes: Vec<String> = causes(error.source()).collect();
        let failure = Self::new(exit, what);
        if causes.is_empty() { failure } else { failure.because(causes.join(": ")) }
    }

    /// The rules of a service said no; final.
    pub fn refused(refusal: &(impl Error + serde::Serialize)) -> Self {
        let mut failure = Self::new(Exit::Refused, refusal.to_string());
        failure.told.refusal = serde_json::to_value(refusal).ok();
        failure
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.told.source = Some(source.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.told.advice = Some(advice.into());
        self
    }

    /// Names the call that this is about.
    #[must_use]
    pub fn about_call(mut self, id: impl fmt::Display) -> Self {
        self.told.call = Some(id.to_string());
        self
    }

    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The view for programs.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut error = serde_json::json!({
            "kind": self.exit.name(),
            "exit": self.exit.code(),
            "message": self.told.what,
        });
        let causes: Vec<String> = causes(self.source()).collect();
        if !causes.is_empty() {
            error["causes"] = causes.into();
        }
        if let Some(advice) = &self.told.advice {
            error["advice"] = advice.as_str().into();
        }
        if let Some(call) = &self.told.call {
            error["call"] = call.as_str().into();
        }
        if let Some(refusal) = &self.told.refusal {
            error["refusal"] = refusal.clone();
        }
        serde_json::json!({ "error": error })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.what)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.told.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// The text for a person: the failure, each cause on a line of its own, the advice.
pub fn told(failure: &Failure) -> String {
    let mut text = failure.told.what.clone();
    for cause in causes(failure.source()) {
        text.push_str("\n  because: ");
        text.push_str(&cause);
    }
    if let Some(advice) = &failure.told.advice {
        text.push_str("\n  to do: ");
        text.push_str(advice);
    }
    text
}

fn causes<'a>(first: Option<&'a (dyn Error + 'static)>) -> impl Iterator<Item = String> + 'a {
    std::iter::successors(first, |&error| error.source()).map(ToString::to_string)
}
