//! Who is asking, and the one function that says whether they may.

use std::fmt;

use switchboard_store::BoundTo;

use crate::service::{Allowed, CommandSpec};

/// A cash machine that was enrolled. 61 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MachineId(u64);

impl MachineId {
    /// The machine with this number, if it fits 61 bits.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        (number < 1 << 61).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Who is asking. Never a token, a name or a connection: those come and go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Principal {
    /// Anybody.
    Anonymous,
    /// Runs this server.
    Operator,
    /// An enrolled cash machine.
    Machine(MachineId),
}

impl Principal {
    /// The number that slot rows carry: never 0, which stands for nobody.
    #[must_use]
    pub fn bound_to(self) -> BoundTo {
        BoundTo::Principal(self.number())
    }

    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Anonymous => 1,
            Self::Operator => 2,
            Self::Machine(MachineId(number)) => {
                i64::try_from(number << 2 | 3).expect("a machine id fits 61 bits")
            }
        }
    }

    /// Whether this principal may cancel and ask after calls of others.
    #[must_use]
    pub fn is_operator(self) -> bool {
        self == Self::Operator
    }
}

/// As logs, the welcome and `docs permissions` show it.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Operator => f.write_str("operator"),
            Self::Machine(MachineId(number)) => write!(f, "machine {number}"),
        }
    }
}

/// Whether `principal` may send this command.
#[must_use]
pub fn permit(principal: Principal, command: &CommandSpec) -> bool {
    match (command.allowed, principal) {
        (Allowed::Everyone, Principal::Anonymous | Principal::Operator | Principal::Machine(_))
        | (Allowed::Operators, Principal::Operator)
        | (Allowed::OperatorsAndMachines, Principal::Operator | Principal::Machine(_)) => true,
        (Allowed::Operators, Principal::Anonymous | Principal::Machine(_))
        | (Allowed::OperatorsAndMachines, Principal::Anonymous) => false,
    }
}
