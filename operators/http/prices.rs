//! What tokens cost, by the model's name. Prices change: the built-in table is a start, and the user's own file has priority.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{HttpError, Tokens};

/// USD per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub prompt: f64,
    pub completion: f64,
}

/// Prices by the model's name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prices(BTreeMap<String, Price>);

impl Prices {
    /// The list prices of a few hosted models; whatever the user serves himself costs nothing.
    pub fn embedded() -> Self {
        Prices(serde_json::from_str(include_str!("prices.json")).unwrap_or_default())
    }

    /// The embedded ones, with those of a JSON file before them: `{"MODEL": {"prompt": 2.5, "completion": 10.0}}`.
    ///
    /// # Errors
    /// [`HttpError::Prices`] where the file can't be read, is no such JSON, or has a price that is no amount.
    pub fn read(path: &Path) -> Result<Self, HttpError> {
        let fail = |why: String| HttpError::Prices { path: path.to_owned(), why };
        let text = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
        let own: BTreeMap<String, Price> =
            serde_json::from_slice(&text).map_err(|error| fail(error.to_string()))?;
        let mut all = Prices::embedded();
        for (model, price) in own {
            if ![price.prompt, price.completion].iter().all(|usd| usd.is_finite() && *usd >= 0.0) {
                return Err(fail(format!("{model:?} costs less than nothing")));
            }
            all.0.insert(model, price);
        }
        Ok(all)
    }

    /// Of this model: by its full name, without its date (`gpt-4o-2024-08-06`), or without its vendor (`openai/gpt-4o`).
    pub fn of(&self, model: &str) -> Option<Price> {
        let bare = model.rsplit('/').next().unwrap_or(model);
        [model, bare, without_date(bare)].into_iter().find_map(|name| self.0.get(name)).copied()
    }

    /// USD; `None` where the model has no price here.
    pub fn cost(&self, model: &str, tokens: Tokens) -> Option<f64> {
        self.of(model).map(|price| {
            (tokens.prompt as f64 * price.prompt + tokens.completion as f64 * price.completion) / 1e6
        })
    }
}

fn without_date(model: &str) -> &str {
    let shape: String = model.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if model.is_ascii() && shape.ends_with("-0000-00-00") { &model[..model.len() - 11] } else { model }
}
