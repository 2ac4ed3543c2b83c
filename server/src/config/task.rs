//! What the program is asked to do: a subcommand, or to start.

/// What the program is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Start a gateway: no subcommand.
    Start,
    /// Tell whether a gateway would start with these settings.
    Check,
    /// Tell whether the gateway with these settings is alive.
    Healthcheck,
}

impl Task {
    /// Those with a subcommand.
    pub(super) const SUBCOMMANDS: [Self; 2] = [Self::Check, Self::Healthcheck];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Check => "check",
            Self::Healthcheck => "healthcheck",
        }
    }

    pub(super) const fn about(self) -> &'static str {
        match self {
            Self::Start => "Starts a gateway",
            Self::Check => {
                "Tells, without starting, whether a gateway would work with these settings: a line for \
                 each finding, and exit code 1 where it would not"
            }
            Self::Healthcheck => {
                "Asks the gateway that listens with these settings whether it is alive: exit code 0 or 1"
            }
        }
    }

    /// The task of a subcommand.
    pub(super) fn of(name: &str) -> Self {
        Self::SUBCOMMANDS.into_iter().find(|task| task.name() == name).unwrap_or(Self::Start)
    }
}
