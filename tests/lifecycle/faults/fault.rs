//! The faults: what can go wrong with one request.

use std::time::Duration;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The request is carried out, and the connection is closed without the answer.
    AnswerLost,
    /// The connection is reset, and the request is not carried out.
    ResetBefore,
    /// The request is carried out, and the connection is reset without the answer.
    ResetAfter,
    Status401,
    Status403,
    Status409,
    Status429,
    /// With `Retry-After`.
    Status429Later,
    Status500,
    Status503,
    Status504,
    /// The request is carried out, and the answer ends in the middle, as if it were complete.
    BodyTruncated,
    /// The request is carried out, and the stream of the answer breaks in the middle.
    BodyCut,
    /// A gateway answers in place of the API server, with a page of HTML and the status 502.
    Html502,
    /// A captive portal answers in place of the API server, with a page of HTML and the status 200.
    Html200,
    /// The same, after the request was carried out.
    Html200After,
    /// A load balancer that has lost the API server answers with a page of HTML and the status 404.
    Html404,
    /// The answer takes a few seconds.
    Slow,
    /// The provider is killed, and the request is not carried out.
    ProviderKilled,
    /// The request is carried out, and the provider is killed.
    ProviderKilledAfter,
    /// Terraform is interrupted while the request is under way; then the answer comes.
    Interrupted,
    /// Terraform is interrupted after the request was carried out, and the answer never comes.
    InterruptedUnanswered,
    /// From this request on the API server answers 503, for longer than the provider tries.
    Outage,
    /// The request is carried out, its answer is lost, and then the outage begins.
    AnswerLostThenOutage,
}

/// What a fault does instead of passing the answer on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    CloseConnection { reset: bool },
    Status { code: u16, retry_after: Option<u32> },
    Page { code: u16 },
    EndBody { cleanly: bool },
    Delay(Duration),
    KillProvider,
    InterruptTerraform { answers: bool },
}

/// Longer than any retry budget of the provider, which then gives up at once.
const BEYOND_EVERY_BUDGET: u32 = 3600;

impl Fault {
    pub const ALL: [Self; 24] = [
        Self::AnswerLost,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::Status401,
        Self::Status403,
        Self::Status409,
        Self::Status429,
        Self::Status429Later,
        Self::Status500,
        Self::Status503,
        Self::Status504,
        Self::BodyTruncated,
        Self::BodyCut,
        Self::Html502,
        Self::Html200,
        Self::Html200After,
        Self::Html404,
        Self::Slow,
        Self::ProviderKilled,
        Self::ProviderKilledAfter,
        Self::Interrupted,
        Self::InterruptedUnanswered,
        Self::Outage,
        Self::AnswerLostThenOutage,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::AnswerLost => "answer-lost",
            Self::ResetBefore => "reset-before",
            Self::ResetAfter => "reset-after",
            Self::Status401 => "401",
            Self::Status403 => "403",
            Self::Status409 => "409",
            Self::Status429 => "429",
            Self::Status429Later => "429-retry-after",
            Self::Status500 => "500",
            Self::Status503 => "503",
            Self::Status504 => "504",
            Self::BodyTruncated => "body-truncated",
            Self::BodyCut => "body-cut",
            Self::Html502 => "html-502",
            Self::Html200 => "html-200",
            Self::Html200After => "html-200-after",
            Self::Html404 => "html-404",
            Self::Slow => "slow",
            Self::ProviderKilled => "provider-killed",
            Self::ProviderKilledAfter => "provider-killed-after",
            Self::Interrupted => "interrupted",
            Self::InterruptedUnanswered => "interrupted-unanswered",
            Self::Outage => "outage",
            Self::AnswerLostThenOutage => "answer-lost-then-outage",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Whether the API server carries the request out.
    pub fn is_carried_out(self) -> bool {
        matches!(
            self,
            Self::AnswerLost
                | Self::ResetAfter
                | Self::BodyTruncated
                | Self::BodyCut
                | Self::Html200After
                | Self::ProviderKilledAfter
                | Self::InterruptedUnanswered
                | Self::AnswerLostThenOutage
        )
    }

    pub fn effect(self) -> Effect {
        let status = |code| Effect::Status {
            code,
            retry_after: None,
        };
        match self {
            Self::AnswerLost | Self::AnswerLostThenOutage => {
                Effect::CloseConnection { reset: false }
            }
            Self::ResetBefore | Self::ResetAfter => Effect::CloseConnection { reset: true },
            Self::Status401 => status(401),
            Self::Status403 => status(403),
            Self::Status409 => status(409),
            Self::Status429 => status(429),
            Self::Status429Later => Effect::Status {
                code: 429,
                retry_after: Some(1),
            },
            Self::Status500 => status(500),
            Self::Status503 => status(503),
            Self::Status504 => status(504),
            Self::BodyTruncated => Effect::EndBody { cleanly: true },
            Self::BodyCut => Effect::EndBody { cleanly: false },
            Self::Html502 => Effect::Page { code: 502 },
            Self::Html404 => Effect::Page { code: 404 },
            Self::Html200 | Self::Html200After => Effect::Page { code: 200 },
            Self::Slow => Effect::Delay(Duration::from_secs(3)),
            Self::ProviderKilled | Self::ProviderKilledAfter => Effect::KillProvider,
            Self::Interrupted => Effect::InterruptTerraform { answers: true },
            Self::InterruptedUnanswered => Effect::InterruptTerraform { answers: false },
            Self::Outage => Self::OUTAGE,
        }
    }

    /// The answer to every request during an outage.
    pub const OUTAGE: Effect = Effect::Status {
        code: 503,
        retry_after: Some(BEYOND_EVERY_BUDGET),
    };

    /// Whether an outage begins with it.
    pub fn begins_outage(self) -> bool {
        matches!(self, Self::Outage | Self::AnswerLostThenOutage)
    }

    /// Whether the provider must get over it without an error, because the next attempt succeeds.
    pub fn is_retried(self) -> bool {
        matches!(
            self,
            Self::AnswerLost
                | Self::ResetBefore
                | Self::ResetAfter
                | Self::Status429
                | Self::Status429Later
                | Self::Status500
                | Self::Status503
                | Self::Status504
                | Self::BodyTruncated
                | Self::BodyCut
                | Self::Html502
                | Self::Slow
        )
    }

    /// Whether Terraform or the provider ends early, so that what exists need not be in the state.
    pub fn kills_provider(self) -> bool {
        self.effect() == Effect::KillProvider
    }

    /// What an error of a request with this fault must say, one of these.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Html200 | Self::Html200After | Self::Html404 => &["not a Kubernetes API server"],
            Self::ProviderKilled | Self::ProviderKilledAfter => {
                &["plugin", "Plugin", "provider process"]
            }
            Self::Interrupted | Self::InterruptedUnanswered => {
                &["interrupt", "Interrupt", "cancel", "cancelled"]
            }
            _ => &[INJECTED, "the message is withheld"],
        }
    }
}

/// Stands in the message of every status that a fault makes.
pub const INJECTED: &str = "an injected fault";
