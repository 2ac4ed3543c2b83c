//! The layers of each crate, the highest first. A module uses modules of its own line and of the
//! lines below it, never of a line above.

use crate::sources::name;

/// A crate with its layers.
pub struct Crate {
    /// Its folder, from the top of the project.
    pub folder: &'static str,
    pub layers: &'static [&'static [&'static str]],
    /// What the crate must not depend on, not even through another crate. A name that ends in `*`
    /// stands for all that begin like it.
    pub never_depends_on: &'static [&'static str],
}

impl Crate {
    /// The number of a module's layer, counted from the highest; `None` where it has none.
    pub fn layer(&self, module: &[String]) -> Option<usize> {
        let top_level = name(&module[..module.len().min(1)]);
        self.layers.iter().position(|layer| layer.contains(&top_level.as_str()))
    }
}

/// `the crate root` is `lib.rs` itself, where it defines more than modules.
pub const CRATES: [Crate; 4] = [
    Crate {
        folder: "server",
        layers: &[
            &["main"],
            &["check", "start"],
            &["server", "shutdown"],
            &["connection"],
            &["expectations"],
            &["routes"],
            &["operations"],
            &["contract"],
            &["websocket"],
            &["http"],
            &["state"],
            &["metrics", "registry"],
            &["logging", "problem"],
            &["config"],
            &[
                "address_rate",
                "descriptors",
                "framing",
                "healthcheck",
                "http_stream",
                "origin",
                "request_id",
                "secret",
                "service_manager",
                "spread",
                "turns",
            ],
        ],
        never_depends_on: &["openapi", "tests"],
    },
    Crate {
        folder: "server/engine",
        layers: &[
            &["partitions"],
            &["embedded", "redis"],
            &["journal"],
            &["memory"],
            &["the crate root"],
            &["event"],
            &["operations"],
            &["limits"],
            &["stats"],
            &["home"],
            &["digest", "id", "rate", "time", "unconfirmed"],
        ],
        never_depends_on: &["actix*", "api-types", "clap*", "server", "utoipa*", "validator*"],
    },
    Crate {
        folder: "api-types",
        layers: &[
            &[
                "client_rules",
                "connect_socket",
                "event",
                "frame",
                "health",
                "operator",
                "parameter",
                "token",
            ],
            &["device_data", "device_tag"],
            &["body"],
            &["close_code", "kind", "number", "payload", "problem", "rule"],
        ],
        never_depends_on: &["actix*", "engine", "server", "tokio*"],
    },
    Crate {
        folder: "openapi",
        layers: &[
            &["main"],
            &["update"],
            &["documents", "pages", "review"],
            &["diff", "report", "source"],
            &["contract", "oasdiff"],
            &["extra_rules", "levels", "version", "waivers"],
            &["frames", "git"],
            &["cargo", "error", "finding", "pointer", "properties"],
        ],
        never_depends_on: &["tests"],
    },
];
