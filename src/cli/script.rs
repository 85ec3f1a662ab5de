//! `script`: prints a job file for a scheduler, by which an array of tasks asks about all parts of the shards and a last one publishes.

use std::path::Path;

use clap::{Args, ValueEnum};

use super::invoke::{checked_run, shell_word};
use super::program::Call;
use super::{App, Failure};
use crate::memo::MOST_SEGMENTS;

/// Who runs the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Scheduler {
    /// An array for sbatch; the same file publishes, as task 0
    Slurm,
    /// An Indexed Job for Kubernetes, 1.29 or later
    K8s,
    /// The Job that publishes, for when the first has completed
    K8sPublish,
    /// A shell script that runs the tasks on this machine, and publishes
    Local,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ScriptOptions {
    scheduler: Scheduler,
    /// How many parts: tasks of the array
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_SEGMENTS)))]
    parts: u16,
    /// How many tasks run at once; for `local` one for every 4 cores unless you say so, elsewhere as many as there is room for
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    at_once: Option<u16>,
    /// The image of the containers (k8s), which has this program
    #[arg(long, default_value = "threshflow")]
    image: String,
    /// The PersistentVolumeClaim that holds shards and store (k8s); many nodes write to it
    #[arg(long, default_value = "threshflow")]
    claim: String,
    /// Where it is mounted (k8s); paths in the flags are paths there
    #[arg(long, default_value = "/data")]
    mount: String,
    /// A list that `plan --list` wrote: the tasks ask about its pictures only
    #[arg(long, value_name = "FILE.parquet")]
    only: Option<String>,
    /// The flags of the run, as `run` takes them, behind `--`
    #[arg(last = true, required = true, value_name = "FLAGS OF RUN")]
    run: Vec<String>,
}

/// Prints the file, when the flags of the run were found to be such.
pub(super) fn script<P: App>(options: &ScriptOptions, call: &Call) -> Result<(), Failure> {
    let flags = &options.run;
    let ours = |word: &&String| ["--part", "--only", "--json"].iter().any(|flag| word.starts_with(flag));
    if let Some(word) = flags.iter().find(ours) {
        return Err(Failure::Usage(format!(
            "{word}: leave it out behind --; the script says it where it belongs (--only stands before --)"
        )));
    }
    let command: Vec<String> = std::iter::once("run".to_owned()).chain(flags.iter().cloned()).collect();
    checked_run::<P>(&command)?;
    let job = Job { name: P::NAME, pipeline: call.pipeline, options };
    crate::say!("{}", job.print()?.trim_end());
    Ok(())
}

struct Job<'a> {
    name: &'static str,
    /// The word that stands for the pipeline on the command line, where the program has several.
    pipeline: Option<&'static str>,
    options: &'a ScriptOptions,
}

impl Job<'_> {
    fn print(&self) -> Result<String, Failure> {
        match self.options.scheduler {
            Scheduler::Slurm => self.slurm(),
            Scheduler::Local => self.local(),
            Scheduler::K8s => Ok(self.k8s(true)),
            Scheduler::K8sPublish => Ok(self.k8s(false)),
        }
    }

    /// The words of the run that publishes, the program as `program`.
    fn words(&self, program: &str) -> Vec<String> {
        let start = [program].into_iter().chain(self.pipeline).chain(["run"]).map(str::to_owned);
        // What the tasks asked again is not asked once more.
        start.chain(self.options.run.iter().filter(|word| *word != "--retry").cloned()).collect()
    }

    /// What a task says beside that.
    fn of_tasks(&self) -> Vec<String> {
        let retry = self.options.run.iter().filter(|word| *word == "--retry").take(1).cloned();
        let only = self.options.only.iter().flat_map(|list| ["--only".to_owned(), list.clone()]);
        retry.chain(only).collect()
    }

    /// The lines that every shell script begins its work with: from this folder, by this program.
    fn in_shell(&self) -> Result<String, Failure> {
        let unknown =
            |what: &str, error: &std::io::Error| Failure::Failed(format!("{what} is not known: {error}"));
        let program = std::env::current_exe().map_err(|error| unknown("the path of this program", &error))?;
        let folder = std::env::current_dir().map_err(|error| unknown("the current folder", &error))?;
        let words: Vec<String> =
            self.words(&program.to_string_lossy()).iter().map(|word| shell_word(word)).collect();
        let folder = shell_word(&folder.to_string_lossy());
        let of_tasks: Vec<String> = self.of_tasks().iter().map(|word| shell_word(word)).collect();
        let (words, of_tasks) = (words.join(" "), of_tasks.join(" "));
        Ok(format!("set -u\ncd -- {folder} || exit 1\nrun=({words})\nof_tasks=({of_tasks})\n"))
    }

    fn slurm(&self) -> Result<String, Failure> {
        let (name, parts, start) = (self.name, self.options.parts, self.in_shell()?);
        let at_once = self.options.at_once.map_or(String::new(), |tasks| format!("%{tasks}"));
        Ok(format!(
            r#"#!/bin/bash
#SBATCH --job-name=threshflow-{name}
#SBATCH --array=1-{parts}{at_once}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=threshflow-{name}-%A_%a.log
# Add what your cluster wants: --partition, --gres=gpu:1, --cpus-per-task, --mem, --time.
#
#   sbatch FILE                                          {parts} tasks ask, each about its part of the shards
#   sbatch --array=0 --dependency=afterok:JOBID FILE     publishes, when all of them ended well
#
# A task that is preempted, or whose node fails, is queued again by Slurm; one that fails is queued again three times. It goes on where it
# was. To run some tasks again by hand: sbatch --array=3,17 FILE
{start}
if [ "$SLURM_ARRAY_TASK_ID" -eq 0 ]; then
    exec "${{run[@]}}"
fi
"${{run[@]}}" "${{of_tasks[@]}}" --part "$SLURM_ARRAY_TASK_ID/{parts}"
status=$?
# 2: the command line is wrong, which another try does not mend.
if [ "$status" -ne 0 ] && [ "$status" -ne 2 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt 3 ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$status"
"#
        ))
    }

    fn local(&self) -> Result<String, Failure> {
        let (name, parts, start) = (self.name, self.options.parts, self.in_shell()?);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = self.options.at_once.map_or((cores / 4).max(1), usize::from);
        Ok(format!(
            r#"#!/bin/bash
# {parts} tasks, {at_once} at once, ask about all parts of the shards; then one run publishes. A task that failed goes on where it was when this
# script is run again. To share the cores of one machine, give --cores behind the flags below.
{start}
# The number of the part comes last.
task='part="${{@: -1}}"; "${{@:1:$#-1}}" --part "$part/{parts}" >"threshflow-{name}-$part.log" 2>&1 || exit 1'
if ! seq 1 {parts} | xargs -P {at_once} -n 1 bash -c "$task" task "${{run[@]}}" "${{of_tasks[@]}}"; then
    echo "some parts failed: see threshflow-{name}-PART.log, then run this script again; nothing was published" >&2
    exit 1
fi
exec "${{run[@]}}"
"#
        ))
    }

    fn k8s(&self, asks: bool) -> String {
        let ScriptOptions { parts, image, claim, mount, at_once, .. } = self.options;
        let (name, text) =
            (self.name.replace('_', "-"), |text: &str| serde_json::Value::from(text).to_string());
        let program = std::env::current_exe().ok();
        let program = program
            .as_deref()
            .and_then(Path::file_name)
            .map_or("threshflow".into(), |name| name.to_string_lossy());
        let mut words = self.words(&program);
        let (job, spec, env) = match asks {
            true => {
                words.extend(self.of_tasks());
                words.extend(["--part".to_owned(), "auto".to_owned()]);
                let spec = format!(
                    "  completionMode: Indexed\n  completions: {parts}\n  parallelism: {}\n  backoffLimitPerIndex: 3\n",
                    at_once.unwrap_or(*parts)
                );
                let env = format!(
                    "          env:\n            - name: JOB_COMPLETIONS\n              value: \"{parts}\"\n"
                );
                (format!("threshflow-{name}"), spec, env)
            }
            false => (format!("threshflow-{name}-publish"), "  backoffLimit: 3\n".to_owned(), String::new()),
        };
        // Of a task that cannot go well, another try costs the same again.
        let give_up = if asks { "FailIndex" } else { "FailJob" };
        // Kubernetes would take `$(NAME)` for a variable.
        let command = words.iter().map(|word| format!("            - {}\n", text(&word.replace('$', "$$"))));
        let command: String = command.collect();
        let what = match asks {
            true => format!(
                "# {parts} tasks ask, each about its part of the shards. When the Job has completed: `script k8s-publish`."
            ),
            false => "# Publishes what the tasks asked.".to_owned(),
        };
        format!(
            r#"{what}
# Add what your cluster wants: resources (nvidia.com/gpu: 1), a node selector, secrets with the keys of servers.
apiVersion: batch/v1
kind: Job
metadata:
  name: {job}
spec:
{spec}  podFailurePolicy:
    rules:
      # Preempted, or its node was drained: it goes on where it was, and that is no failure.
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
            status: "True"
      # 2: the command line is wrong.
      - action: {give_up}
        onExitCodes:
          containerName: threshflow
          operator: In
          values: [2]
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: threshflow
          image: {image}
          command:
{command}{env}          volumeMounts:
            - name: data
              mountPath: {mount}
      volumes:
        - name: data
          persistentVolumeClaim:
            claimName: {claim}
"#,
            image = text(image),
            mount = text(mount),
            claim = text(claim),
        )
    }
}
