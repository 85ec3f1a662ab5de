//! The subcommands of a pipeline: the flags of each, and what each does.

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

use super::cluster::{self, ClusterOptions, ProcessOptions};
use super::compact::StoreCommand;
use super::invoke::Commands;
use super::live::LiveOptions;
use super::options::{ObjectOptions, SOURCE};
use super::part::PartOptions;
use super::program::{Call, end};
use super::script::{ScriptOptions, script};
use super::{
    App, BenchOptions, Failure, Output, RunOptions, apart, clean, describe, explain, export, plan, signals,
    verify,
};
use crate::pipeline::dial_specs_with;

#[derive(Subcommand)]
enum Common<A: Args> {
    /// Curate: ask what was never asked, and publish what passes the dials
    Run {
        #[command(flatten)]
        options: RunOptions,
        #[command(flatten)]
        part: PartOptions,
        #[command(flatten)]
        cluster: ClusterOptions,
        #[command(flatten)]
        app: A,
    },
    /// Curate by hand: as run, but it stays. A page at 127.0.0.1 turns the dials and shows at once what enters and leaves; it asks when you
    /// say so, and publishes when you say so
    Live {
        #[command(flatten)]
        options: RunOptions,
        #[command(flatten)]
        live: LiveOptions,
        #[command(flatten)]
        processes: ProcessOptions,
        #[command(flatten)]
        app: A,
    },
    /// What would a run with these dials cost, and what would it change? It asks nothing and writes nothing
    Plan {
        #[command(flatten)]
        options: RunOptions,
        /// Also write the pictures that would be asked about to this table, for the parts of an array: `run --part K/N --only` reads it
        #[arg(long, value_name = "FILE.parquet")]
        list: Option<PathBuf>,
        #[command(flatten)]
        app: A,
    },
    /// Where did this picture end, and why?
    Explain {
        /// The folder that was published to, also in a bucket
        #[arg(long, default_value = "out")]
        out: PathBuf,
        /// Where --out is in a bucket: the store that may have a mirror of it [default: store]
        #[arg(long)]
        store: Option<PathBuf>,
        #[arg(long)]
        json: bool,
        /// The shard's name, if SHARD/KEY can be read in several ways; the last argument is then the key alone
        #[arg(long)]
        shard: Option<String>,
        /// SHARD/KEY, for example 00012/000120345
        key: String,
    },
    /// Copy the published pictures, byte for byte, into WebDataset tars
    Export {
        #[arg(long, default_value = "store")]
        store: PathBuf,
        /// The folder that was published to, also in a bucket
        #[arg(long, default_value = "out")]
        out: PathBuf,
        /// The folder for the tars, or one in a bucket: s3://BUCKET/FOLDER, gs://, az://
        #[arg(long)]
        to: PathBuf,
        #[command(flatten)]
        objects: ObjectOptions,
        #[arg(long)]
        json: bool,
    },
    /// The dials: names, units, ranges, defaults
    Dials {
        #[arg(long)]
        json: bool,
    },
    /// The pipeline on data that it makes itself
    Demo {
        /// The folder for the demo's data, store and output; files of an earlier demo there are replaced
        #[arg(long, default_value = "demo")]
        folder: PathBuf,
        /// At the end, stay, and serve a page on which the demo's dials turn: as live
        #[arg(long)]
        live: bool,
        #[arg(long)]
        json: bool,
    },
    /// List what the store holds, by stamp (fingerprint of all that shapes an answer); with --drop, forget some of it
    Clean {
        #[arg(long, default_value = "store")]
        store: PathBuf,
        /// `dead` (all that no pipeline's latest run used), a stamp as the listing shows it, or `cache` (shards of object stores in the
        /// store's cache/)
        #[arg(long)]
        drop: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Print a job file: an array of tasks asks about all parts of the shards, on many machines, and then one run publishes
    Script(ScriptOptions),
    /// Work on a store as a whole
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Read everything that was published, exported or remembered, and say what is damaged; exit code 1 if something is. It writes
    /// nothing
    Verify {
        /// Folders that were published, exported or released to
        folders: Vec<PathBuf>,
        /// A store: every answer in it is checked
        #[arg(long)]
        store: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Measure the throughput on your shards, where the time goes, and the limit that the stages set on this machine
    Bench {
        #[command(flatten)]
        options: BenchOptions,
        #[command(flatten)]
        app: A,
    },
}

/// The command line of `P`, under its name.
pub(super) fn command<P: App>() -> Command {
    let all = Common::<P::Args>::augment_subcommands(Command::new(P::NAME));
    let has = |subcommand: &&Command| match subcommand.get_name() {
        "demo" => P::DEMO.is_some(),
        "bench" => P::BENCH.is_some(),
        _ => true,
    };
    let with_flags = |subcommand: Command| match subcommand.get_name() {
        "dials" => P::dials_command(subcommand),
        "run" | "live" | "plan" | "bench" if P::OWN_SOURCE => without_source(subcommand),
        _ => subcommand,
    };
    let common: Vec<Command> = all.get_subcommands().filter(has).cloned().map(with_flags).collect();
    let subcommands = common.into_iter().chain(P::subcommands());
    Command::new(P::NAME)
        .about(P::ABOUT)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands(subcommands)
}

/// Without the flags that say where pictures come from.
pub(super) fn without_source(command: Command) -> Command {
    let hidden = |command: Command, flag: &'static str| command.mut_arg(flag, |arg| arg.hide(true));
    let command = command.mut_group(SOURCE, |group| group.required(false));
    ["shards", "pictures"].into_iter().fold(command, hidden)
}

/// Does what the command line says of `P`; `matches` are those of [`command`].
pub(super) fn work<P: App>(matches: &ArgMatches, call: &Call) -> Result<(), Failure> {
    if let Some((name, own)) = matches.subcommand()
        && P::subcommands().iter().any(|subcommand| subcommand.get_name() == name)
    {
        return P::subcommand(name, own);
    }
    let subcommand =
        Common::<P::Args>::from_arg_matches(matches).unwrap_or_else(|error| end(&error, &call.args));
    let output = |json: bool| if json { Output::Json } else { Output::Text };
    let absent = |subcommand: &str| Err(Failure::Usage(format!("{} has no {subcommand}", P::NAME)));
    match subcommand {
        Common::Run { options, part, cluster, app } => {
            signals::stop_on_signals();
            let json = output(options.json);
            // Where other processes were started, they have said all.
            let Some(report) = cluster::run::<P>(&options, &part, &cluster, &app, call)? else {
                return Ok(());
            };
            report.print(json);
            report.check()
        }
        Common::Live { options, live, processes, app } => {
            signals::stop_on_signals();
            cluster::live::<P>(&options, &live, &processes, &app, call)
        }
        Common::Plan { options, list, app } => {
            plan::plan::<P>(&options, list.as_deref(), &app)?.print(output(options.json))
        }
        Common::Explain { out, store, json, shard, key } => {
            explain::explain((&out, store.as_deref()), shard.as_deref(), &key, output(json))
        }
        Common::Export { store, out, to, objects, json } => {
            export::export((&store, &out, &to), &objects, output(json))
        }
        Common::Dials { json } => {
            let flags = matches.subcommand_matches("dials");
            let named = flags.map(P::named_dials_of).transpose()?.unwrap_or_default();
            let dials = dial_specs_with::<P>(named).map_err(Failure::Usage)?;
            describe::dials(dials, output(json))
        }
        Common::Demo { folder, live, json } => match P::DEMO {
            Some(_) if live && P::OWN_SOURCE => Err(Failure::Usage(format!(
                "the demo of {} ends with no session; leave out --live, or run `{} live` on data of your own",
                P::NAME,
                call.command
            ))),
            Some(demo) => {
                apart::on_disk("--folder", &folder)?;
                if live {
                    signals::stop_on_signals();
                }
                let commands = Commands { stays: live, ..Commands::of::<P>(&call.command) };
                demo(&folder, output(json), &commands)
            }
            None => absent("demo"),
        },
        Common::Clean { store, drop, json } => {
            clean::clean(&store, drop.as_deref(), output(json), &call.command)
        }
        Common::Script(options) => script::<P>(&options, call),
        Common::Store { command } => command.work(),
        Common::Verify { folders, store, json } => {
            verify::verify(&folders, store.as_deref(), output(json), (P::NAME, P::verify))
        }
        Common::Bench { options, app } => match P::BENCH {
            Some(bench) => bench(&app, &options, &Commands::of::<P>(&call.command)),
            None => absent("bench"),
        },
    }
}
