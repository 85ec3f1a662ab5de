//! Opens endpoints, each once, and chat models at them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use operators::http::{ApiKey, Host, HostSettings, KeyHeader, Prices, Spending};
use operators::words::chat::{ChatModel, Style};
use operators::words::chat_cache::{ChatCache, DatedChatCache};
use threshflow::cli::{Failure, Workbench};

use super::{EndpointArgs, SpendingArgs, said};

/// The endpoints of a run.
pub struct Endpoints<'a> {
    args: &'a EndpointArgs,
    workbench: &'a Workbench,
    /// The endpoint that `key` is for. No other endpoint is sent it.
    own_url: &'a str,
    key: Option<ApiKey>,
    spending: Arc<Spending>,
    prices: Arc<Prices>,
    open: Vec<Arc<Host>>,
}

impl<'a> Endpoints<'a> {
    /// `own_url` is the endpoint that --key-file and OPENAI_API_KEY are for; `models` are those that are asked, each with its flag.
    ///
    /// # Errors
    /// A key or a file of prices that cannot be read, or a model without a price where money is bounded.
    pub fn of(
        (args, spending): (&'a EndpointArgs, &'a SpendingArgs),
        own_url: &'a str,
        models: &[(&str, &str)],
        workbench: &'a Workbench,
    ) -> Result<Self, Failure> {
        let key = match &args.key_file {
            Some(path) => Some(ApiKey::from_file(path).map_err(said)?),
            None => key_in("OPENAI_API_KEY")?,
        };
        let prices = match &spending.prices {
            Some(path) => Prices::read(path).map_err(said)?,
            None => Prices::embedded(),
        };
        check_prices(models, spending, &prices)?;
        Ok(Endpoints {
            args,
            workbench,
            own_url,
            key,
            spending: Spending::new(
                spending.max_calls.map(|calls| workbench.place.share_of(calls)),
                spending.max_cost.map(|cost| cost / workbench.place.of as f64),
            ),
            prices: Arc::new(prices),
            open: Vec::new(),
        })
    }

    /// The host at `url`. Where that is not the chat models' own, its key comes from the environment variable `variable`: a key is
    /// never sent to a server that it is not for.
    pub fn host(&mut self, url: &str, variable: &str) -> Result<Arc<Host>, Failure> {
        let known = self.open.iter().find(|host| host.settings().base_url == url.trim_end_matches('/'));
        if let Some(host) = known {
            return Ok(host.clone());
        }
        let is_own = url.trim_end_matches('/') == self.own_url.trim_end_matches('/');
        let key = if is_own { self.key.clone() } else { key_in(variable)? };
        let azure = self.args.azure.is_some();
        // What an endpoint may be sent is said of the whole run.
        let place = self.workbench.place;
        let share = |all: NonZeroU32| {
            NonZeroU32::new(place.share_of(all.get().into()) as u32).unwrap_or(NonZeroU32::MIN)
        };
        let settings = HostSettings {
            key,
            key_header: if azure { KeyHeader::Named("api-key".into()) } else { KeyHeader::default() },
            most_in_flight: (place.share_of(self.args.in_flight as u64) as usize).max(1),
            requests_a_minute: self.args.requests_a_minute.map(share),
            tokens_a_minute: self.args.tokens_a_minute.map(share),
            call_timeout: seconds(self.args.call_timeout, "--call-timeout")?,
            deadline: seconds(self.args.call_deadline, "--call-deadline")?,
            // The deadline is the bound that the user sets: a server that turns every second request away loses no row.
            most_retries: 12,
            // Rows wait for their epoch's slowest answer; a server that wants to be left alone for longer says so.
            longest_pause: Duration::from_secs(8),
            spending: self.spending.clone(),
            prices: self.prices.clone(),
            ..HostSettings::new(url, url)
        };
        let host = Host::open(settings).map_err(said)?;
        self.open.push(host.clone());
        Ok(host)
    }

    /// A chat model at `url` behind the cache of that name, asked in the dialect that the flags name. The model's own style does not
    /// count.
    pub fn chat(
        &mut self,
        name: &'static str,
        model: ChatModel,
        url: &str,
    ) -> Result<Arc<ChatCache>, Failure> {
        let (model, host) = self.chat_at(model, url)?;
        Ok(ChatCache::open(name, model, host, &self.workbench.lanes)?)
    }

    /// As [`Endpoints::chat`], with a cache that keeps the day of each answer.
    pub fn dated_chat(
        &mut self,
        name: &'static str,
        model: ChatModel,
        url: &str,
    ) -> Result<Arc<DatedChatCache>, Failure> {
        let (model, host) = self.chat_at(model, url)?;
        Ok(DatedChatCache::open(name, model, host, &self.workbench.lanes)?)
    }

    fn chat_at(&mut self, model: ChatModel, url: &str) -> Result<(ChatModel, Arc<Host>), Failure> {
        let style = match &self.args.azure {
            Some(api_version) => Style::Azure { api_version: api_version.clone() },
            None => Style::OpenAi,
        };
        let host = self.host(url, "JUDGE_API_KEY")?;
        self.workbench.lanes.watch(host.clone());
        Ok((ChatModel { style, ..model }, host))
    }
}

/// Whether every model has a price, where money is bounded: what has none would be asked without end.
///
/// # Errors
/// [`Failure::Usage`] about the first model that has none.
pub fn check_prices(
    models: &[(&str, &str)],
    spending: &SpendingArgs,
    prices: &Prices,
) -> Result<(), Failure> {
    let Some(most) = spending.max_cost else { return Ok(()) };
    match models.iter().find(|(_, model)| prices.of(model).is_none()) {
        None => Ok(()),
        Some((flag, model)) => Err(Failure::Usage(format!(
            "--max-cost {most} cannot be kept: {flag} {model} has no price; give one by --prices FILE with \
             {{\"{model}\": {{\"prompt\": 2.5, \"completion\": 10.0}}}} (USD per million tokens, 0 where it costs nothing), \
             or bound the requests by --max-calls"
        ))),
    }
}

/// The key in an environment variable. Servers at home want none; those that do say so.
fn key_in(variable: &str) -> Result<Option<ApiKey>, Failure> {
    std::env::var_os(variable).map(|_| ApiKey::from_environment(variable).map_err(said)).transpose()
}

/// What a flag of seconds says.
pub(super) fn seconds(seconds: f64, flag: &str) -> Result<Duration, Failure> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| Failure::Usage(format!("{flag} {seconds}: {error}; give seconds above 0")))
}
