//! The faults that the proxy can inject into one request.

use std::time::Duration;

/// A fault of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The API server processes the request, and the connection is closed without a response.
    AnswerLost,
    /// The connection is reset before the API server receives the request.
    ResetBefore,
    /// The API server processes the request, and the connection is reset without a response.
    ResetAfter,
    Status401,
    Status403,
    Status409,
    Status429,
    /// The response has `Retry-After`.
    Status429Later,
    Status500,
    Status503,
    Status504,
    /// The API server processes the request, and the response body ends early, as if it were complete.
    BodyTruncated,
    /// The API server processes the request, and the stream of the response body breaks.
    BodyCut,
    /// A gateway returns an HTML page with status 502 in place of the API server.
    Html502,
    /// A captive portal returns an HTML page with status 200 in place of the API server.
    Html200,
    /// The same as `Html200`, after the API server has processed the request.
    Html200After,
    /// A load balancer without a backend returns an HTML page with status 404.
    Html404,
    /// The response is delayed by a few seconds.
    Slow,
    /// The provider is killed before the API server receives the request.
    ProviderKilled,
    /// The API server processes the request, and the provider is killed.
    ProviderKilledAfter,
    /// Terraform is interrupted while the request is in flight, and then the response arrives.
    Interrupted,
    /// Terraform is interrupted after the API server has processed the request, and no response arrives.
    InterruptedUnanswered,
    /// From this request on, the API server returns 503, for longer than the provider retries.
    Outage,
    /// The API server processes the request, its response is lost, and then the outage starts.
    AnswerLostThenOutage,
}

/// The effect of a fault in place of the response.
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

/// The number of seconds in `Retry-After` that exceeds every retry budget of the provider, so that it does not retry.
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

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Returns whether the API server processes the request.
    pub fn reaches_api_server(self) -> bool {
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

    /// The response to every request during an outage.
    pub const OUTAGE: Effect = Effect::Status {
        code: 503,
        retry_after: Some(BEYOND_EVERY_BUDGET),
    };

    /// Returns whether an outage starts with this fault.
    pub fn begins_outage(self) -> bool {
        matches!(self, Self::Outage | Self::AnswerLostThenOutage)
    }

    /// Returns whether the provider must recover without an error, because its next attempt succeeds.
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

    /// Returns whether the provider is killed, so that existing objects can be missing from the state.
    pub fn kills_provider(self) -> bool {
        self.effect() == Effect::KillProvider
    }

    /// Returns the messages of which an error for this fault must contain at least one.
    pub fn expected_messages(self) -> &'static [&'static str] {
        match self {
            Self::Html200 | Self::Html200After | Self::Html404 => {
                &["not come from a Kubernetes API server"]
            }
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

/// The message of every error status that a fault returns.
pub const INJECTED: &str = "an injected fault";
