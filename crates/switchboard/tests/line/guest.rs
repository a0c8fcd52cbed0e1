//! The machine with the line: three namespaces in a row, ping at one end, the reflector at the other. Absent: what is judged.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::machine::{Hardware, PATH};

/// Of the reflector.
pub(crate) const PORT: u16 = 8620;
/// Of a probe that asks when the previous reply left, and of its answer.
pub(crate) const PROBE_OCTETS: usize = 80;
/// Of the probe that marks the end.
const MARK_OCTETS: usize = 72;
/// What it is filled with, and what that is in a capture.
const MARK: (&str, &str) = ("6d61726b", "markmark");
/// Octets of a packet that are captured. What tcpdump keeps by default is so long that eight packets fill its buffer, and a
/// busy machine loses the ninth.
const CAPTURED_OCTETS_MAX: usize = 256;
/// From one probe to the next.
const INTERVAL_S: &str = "0.004";
/// Longest wait for all lines, beside the time that probes take.
const MACHINE_SECONDS_MAX: u64 = 180;

/// What is done to packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    /// On the way to the reflector, in the words of netem.
    pub(crate) up: &'static str,
    /// On the way back.
    pub(crate) down: &'static str,
}

/// What runs on the machine.
pub(crate) struct Guest<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) program: &'a Path,
    pub(crate) probes: u32,
}

impl Guest<'_> {
    /// Goes through all lines; returns the folder with what was captured and told.
    pub(crate) fn run(&self, lines: &[Line]) -> PathBuf {
        let seen = self.folder.join("seen");
        for name in ["seen", "run", "home"] {
            std::fs::create_dir(self.folder.join(name)).unwrap();
        }
        let init = self.init(lines);
        let hardware = Hardware::new(&self.folder.join("home"), Vec::new());
        let mut machine = hardware.boot(&init, File::create(self.folder.join("tty1")).unwrap());
        self.wait_for(|| machine.is_off());
        let said = machine.said();
        assert!(seen.join("done").is_file(), "the machine did not come to its end:\n{said}");
        seen
    }

    #[expect(clippy::disallowed_methods, reason = "a test waits for a process, which cannot call back")]
    fn wait_for(&self, mut is_off: impl FnMut() -> bool) {
        let most = Duration::from_secs(MACHINE_SECONDS_MAX) + Duration::from_millis(100) * self.probes;
        let deadline = Instant::now() + most;
        while !is_off() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn init(&self, lines: &[Line]) -> PathBuf {
        let mut script = self.namespaces();
        script.push_str(&self.one_line());
        for Line { name, up, down } in lines {
            writeln!(script, "line {name} '{up}' '{down}'").unwrap();
        }
        script.push_str("touch $seen/done\necho o >/proc/sysrq-trigger\nexec sleep infinity\n");
        let path = self.folder.join("init");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    /// Neighbours are named beforehand: nothing but probes and replies passes the line.
    fn namespaces(&self) -> String {
        let (folder, seen) = (self.folder.join("run"), self.folder.join("seen"));
        format!(
            "#!/bin/sh
export PATH={PATH} HOME={run} TMPDIR={run}
exec </dev/null >/dev/tty0 2>&1
off() {{ echo \"$*\"; dmesg | tail -n 20; echo o >/proc/sysrq-trigger; exec sleep infinity; }}
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t tmpfs none /run || off no file systems
mount -t tmpfs none {run} && mount -t hostfs -o {seen} none {seen} || off no place to write
seen={seen} run={run}
for module in drivers/net/veth net/sched/sch_netem; do
  insmod /usr/lib/uml/modules/$(uname -r)/kernel/$module.ko || off no $module
done
for name in near mid far; do ip netns add $name && ip -n $name link set lo up || off no namespace; done
ip link add near address 02:00:00:00:00:01 netns near type veth peer name to-near address 02:00:00:00:00:02 netns mid || off no line
ip link add far address 02:00:00:00:00:03 netns far type veth peer name to-far address 02:00:00:00:00:04 netns mid || off no line
ip -n near addr add 10.9.1.1/24 dev near; ip -n far addr add 10.9.2.1/24 dev far
ip -n mid addr add 10.9.1.2/24 dev to-near; ip -n mid addr add 10.9.2.2/24 dev to-far
for end in 'near near' 'mid to-near' 'mid to-far' 'far far'; do set -- $end; ip -n $1 link set $2 up; done
ip -n near neigh add 10.9.1.2 lladdr 02:00:00:00:00:02 dev near; ip -n mid neigh add 10.9.1.1 lladdr 02:00:00:00:00:01 dev to-near
ip -n far neigh add 10.9.2.2 lladdr 02:00:00:00:00:04 dev far; ip -n mid neigh add 10.9.2.1 lladdr 02:00:00:00:00:03 dev to-far
ip -n near route add default via 10.9.1.2; ip -n far route add default via 10.9.2.2
ip netns exec mid sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' || off no forwarding
",
            run = folder.display(),
            seen = seen.display(),
        )
    }

    /// A probe of another length after the run, on the line that is whole again, shows that the captures have everything. One
    /// processor does everything, so whoever stamps comes before whoever looks on.
    fn one_line(&self) -> String {
        format!(
            "ping() {{ ip netns exec near chrt -f 1 {program} ping --quiet --json \"$@\" 10.9.2.1:{PORT}; }}
capture() {{
  ip netns exec $1 tcpdump -i $1 -p -n -s {CAPTURED_OCTETS_MAX} -U --immediate-mode --time-stamp-precision=nano -Z root -w $run/$1 udp port {PORT} 2>$run/$1.log &
}}
has_mark() {{ test $(grep -a -o {mark} $run/$1 | wc -l) -ge 2; }}
line() {{
  tc -n mid qdisc add dev to-far root netem limit 100000 $2 && tc -n mid qdisc add dev to-near root netem limit 100000 $3 || off $1
  ip netns exec far chrt -f 1 {program} reflect --listen 10.9.2.1:{PORT} --rate 0 --network-rate 0 >$run/reflect & reflector=$!
  capture near; near=$!
  capture far; far=$!
  until grep -q reflecting $run/reflect && grep -q listening $run/near.log && grep -q listening $run/far.log; do sleep 0.02; done
  ping -c {probes} -i {INTERVAL_S} --follow-up --size {PROBE_OCTETS} >$seen/$1.ping
  tc -n mid -s -j qdisc show dev to-far >$seen/$1.up; tc -n mid -s -j qdisc show dev to-near >$seen/$1.down
  tc -n mid qdisc del dev to-far root; tc -n mid qdisc del dev to-near root
  ping -c 1 --size {MARK_OCTETS} --fill {fill} >$run/mark || off no mark on $1
  until has_mark near && has_mark far; do sleep 0.02; done
  kill $near $far $reflector; wait $near; wait $far; wait $reflector
  cp $run/near $seen/$1.near && cp $run/far $seen/$1.far || off no captures of $1
  rm $run/near $run/far $run/reflect $run/near.log $run/far.log
}}
",
            program = self.program.display(),
            fill = MARK.0,
            mark = MARK.1,
            probes = self.probes,
        )
    }
}
