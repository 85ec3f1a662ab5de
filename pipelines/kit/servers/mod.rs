//! Servers that pipelines ask: their flags, their endpoints, chat models and editors.

pub mod args;
mod editors;
mod endpoints;
pub mod values;

pub use args::{EditMask, EditorArgs, EndpointArgs, SpendingArgs};
pub use editors::{check_editors, editors};
pub use endpoints::{Endpoints, check_prices};

/// Where chat models are, where nobody says.
pub const DEFAULT_CHAT_URL: &str = "https://api.openai.com/v1";

fn said(error: impl std::fmt::Display) -> threshflow::cli::Failure {
    threshflow::cli::Failure::Failed(error.to_string())
}
