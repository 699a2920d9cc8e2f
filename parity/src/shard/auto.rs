use super::Shard;

/// The variables by which a scheduler tells a process which of several it is.
struct Scheduler {
    name: &'static str,
    index: &'static str,
    /// The number of the first process.
    first: usize,
    /// Where it says how many there are, if it does.
    total: Option<&'static str>,
}

/// Schedulers that count in one way. Slurm counts in two, and has code of its own.
const SCHEDULERS: [Scheduler; 6] = [
    Scheduler {
        name: "Kubernetes",
        index: "JOB_COMPLETION_INDEX",
        first: 0,
        total: None,
    },
    // GitHub sets no such variables: a workflow passes on strategy.job-index and -total in them.
    Scheduler {
        name: "GitHub",
        index: "STRATEGY_JOB_INDEX",
        first: 0,
        total: Some("STRATEGY_JOB_TOTAL"),
    },
    Scheduler {
        name: "GitLab",
        index: "CI_NODE_INDEX",
        first: 1,
        total: Some("CI_NODE_TOTAL"),
    },
    Scheduler {
        name: "CircleCI",
        index: "CIRCLE_NODE_INDEX",
        first: 0,
        total: Some("CIRCLE_NODE_TOTAL"),
    },
    Scheduler {
        name: "Buildkite",
        index: "BUILDKITE_PARALLEL_JOB",
        first: 0,
        total: Some("BUILDKITE_PARALLEL_JOB_COUNT"),
    },
    Scheduler {
        name: "Azure Pipelines",
        index: "SYSTEM_JOBPOSITIONINPHASE",
        first: 1,
        total: Some("SYSTEM_TOTALJOBSINPHASE"),
    },
];

/// Why a scheduler's variables do not say which shard this is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AutoError {
    /// No scheduler was found.
    #[error(
        "no scheduler says which shard this is (looked for Slurm, as an array or tasks of srun, Kubernetes, GitLab, CircleCI, \
         Buildkite, Azure Pipelines, and STRATEGY_JOB_INDEX, in which a GitHub workflow passes on \
         strategy.job-index): write it as I/N, such as 2/8"
    )]
    None,
    /// Two schedulers were found, such as a runner of GitLab in a job of Kubernetes.
    #[error("both {first} and {second} say which shard this is: write it as I/N, such as 2/8")]
    Several {
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The scheduler does not say how many shards there are.
    #[error(
        "{scheduler} says which shard this is, but not of how many: write auto/N, with the number \
         of processes that it starts (Kubernetes: the Job's completions)"
    )]
    NoTotal {
        /// The scheduler.
        scheduler: &'static str,
    },
    /// The scheduler's number differs from the one that was given.
    #[error("auto/{given}, but {scheduler} says that there are {found}")]
    OtherTotal {
        /// The scheduler.
        scheduler: &'static str,
        /// The number that was given.
        given: usize,
        /// The scheduler's.
        found: usize,
    },
    /// A variable is not set, or not a number of this range.
    #[error("{variable} is {value}, from which {scheduler}'s shard cannot be told: {expected}")]
    Value {
        /// The scheduler.
        scheduler: &'static str,
        /// The variable.
        variable: &'static str,
        /// Its value, quoted, or that there is none.
        value: String,
        /// What was expected.
        expected: String,
    },
}

/// What one scheduler says: which process this is, counted from 0, and of how many.
struct Said {
    scheduler: &'static str,
    variable: &'static str,
    index: usize,
    total: Option<usize>,
}

/// The shard of this process, by the variables of its scheduler, which `variable` looks up. `of` is
/// the number of shards, which not every scheduler tells.
///
/// # Errors
/// If no scheduler is found, or its variables do not say it.
pub fn find(
    of: Option<usize>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Shard, AutoError> {
    let mut found = Vec::from_iter(slurm(&variable)?);
    for scheduler in &SCHEDULERS {
        found.extend(scheduler.said(&variable)?);
    }
    let said = match found.as_slice() {
        [] => return Err(AutoError::None),
        [said] => said,
        [first, second, ..] => {
            return Err(AutoError::Several {
                first: first.scheduler,
                second: second.scheduler,
            });
        }
    };
    let scheduler = said.scheduler;
    let of = match (of, said.total) {
        (Some(given), Some(found)) if given != found => {
            return Err(AutoError::OtherTotal {
                scheduler,
                given,
                found,
            });
        }
        (given, found) => given.or(found).ok_or(AutoError::NoTotal { scheduler })?,
    };
    let shard = Shard {
        index: said.index + 1,
        of,
    };
    if shard.is_possible() {
        return Ok(shard);
    }
    Err(AutoError::Value {
        scheduler,
        variable: said.variable,
        value: variable(said.variable).unwrap_or_default(),
        expected: format!("there are {of} shards"),
    })
}

impl Scheduler {
    fn said(&self, variable: &impl Fn(&str) -> Option<String>) -> Result<Option<Said>, AutoError> {
        if variable(self.index).is_none() {
            return Ok(None);
        }
        let number = |name, least| number(self.name, name, least, variable);
        Ok(Some(Said {
            scheduler: self.name,
            variable: self.index,
            index: number(self.index, self.first)? - self.first,
            total: self.total.map(|total| number(total, 1)).transpose()?,
        }))
    }
}

/// Slurm numbers the jobs of an array, and the tasks that `srun` starts. An array whose jobs call
/// `srun` has both.
fn slurm(variable: &impl Fn(&str) -> Option<String>) -> Result<Option<Said>, AutoError> {
    const SLURM: &str = "Slurm";
    let number = |name, least| number(SLURM, name, least, variable);
    let said = |variable, index, total| Said {
        scheduler: SLURM,
        variable,
        index,
        total: Some(total),
    };
    let array = if variable("SLURM_ARRAY_TASK_ID").is_some() {
        let id = number("SLURM_ARRAY_TASK_ID", 0)?;
        let (first, last) = (
            number("SLURM_ARRAY_TASK_MIN", 0)?,
            number("SLURM_ARRAY_TASK_MAX", 0)?,
        );
        let count = number("SLURM_ARRAY_TASK_COUNT", 1)?;
        // Jobs of an array that are submitted again are an array of their own, which must not be
        // taken for the whole run.
        let whole = first <= 1 && first + count - 1 == last;
        if !whole || !(first..=last).contains(&id) {
            return Err(AutoError::Value {
                scheduler: SLURM,
                variable: "SLURM_ARRAY_TASK_ID",
                value: id.to_string(),
                expected: format!(
                    "an array of {count} from {first} to {last} is not a whole run, which is \
                     --array=1-N; to run a part of it again, requeue its job or write the shard as \
                     I/N, such as 3/8"
                ),
            });
        }
        Some(said("SLURM_ARRAY_TASK_ID", id - first, count))
    } else {
        None
    };
    // A batch script has a PROCID too, but only a step of srun has several of them.
    let tasks = if variable("SLURM_STEP_ID").is_some() && variable("SLURM_PROCID").is_some() {
        let total = number("SLURM_NTASKS", 1)?;
        Some(said("SLURM_PROCID", number("SLURM_PROCID", 0)?, total))
    } else {
        None
    };
    Ok(match (array, tasks) {
        (Some(array), Some(tasks)) => {
            let (of, each) = (array.total.unwrap_or(1), tasks.total.unwrap_or(1));
            Some(said(
                array.variable,
                array.index * each + tasks.index,
                of * each,
            ))
        }
        (array, tasks) => array.or(tasks),
    })
}

/// A variable that has to be a whole number of `least` or more.
fn number(
    scheduler: &'static str,
    name: &'static str,
    least: usize,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<usize, AutoError> {
    let value = variable(name);
    let parsed = value.as_deref().and_then(|v| v.trim().parse().ok());
    parsed
        .filter(|n| (least..=1_000_000_000).contains(n))
        .ok_or_else(|| AutoError::Value {
            scheduler,
            variable: name,
            value: value.map_or("not set".into(), |v| format!("{v:?}")),
            expected: format!("it has to be a number from {least}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(of: Option<usize>, variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        find(of, variable)
            .map(|shard| shard.to_string())
            .map_err(|e| e.to_string())
    }

    /// A job of an array from `first` to `last`.
    fn array<'a>(id: &'a str, [first, last, count]: [&'a str; 3]) -> Vec<(&'a str, &'a str)> {
        vec![
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_MIN", first),
            ("SLURM_ARRAY_TASK_MAX", last),
            ("SLURM_ARRAY_TASK_COUNT", count),
        ]
    }

    #[test]
    fn each_scheduler_is_understood_from_its_own_variables() {
        for (variables, shard) in [
            (
                [("STRATEGY_JOB_INDEX", "0"), ("STRATEGY_JOB_TOTAL", "8")],
                "1/8",
            ),
            ([("CI_NODE_INDEX", "8"), ("CI_NODE_TOTAL", "8")], "8/8"),
            (
                [("CIRCLE_NODE_INDEX", "7"), ("CIRCLE_NODE_TOTAL", "8")],
                "8/8",
            ),
            (
                [
                    ("BUILDKITE_PARALLEL_JOB", "2"),
                    ("BUILDKITE_PARALLEL_JOB_COUNT", "3"),
                ],
                "3/3",
            ),
            (
                [
                    ("SYSTEM_JOBPOSITIONINPHASE", "1"),
                    ("SYSTEM_TOTALJOBSINPHASE", "3"),
                ],
                "1/3",
            ),
        ] {
            assert_eq!(auto(None, &variables), Ok(shard.into()), "{variables:?}");
        }
    }

    #[test]
    fn a_job_of_a_slurm_array_counts_from_0_or_1_and_a_part_of_an_array_is_no_run() {
        for (id, range, shard) in [("0", ["0", "7", "8"], "1/8"), ("5", ["1", "8", "8"], "5/8")] {
            assert_eq!(auto(None, &array(id, range)), Ok(shard.into()), "{id}");
        }
        for (id, range) in [("3", ["3", "3", "1"]), ("7", ["1", "7", "3"])] {
            let error = auto(None, &array(id, range)).unwrap_err();
            assert!(error.contains("is not a whole run"), "{error}");
        }
    }

    #[test]
    fn tasks_of_srun_are_counted_alone_and_within_an_array() {
        let step = [
            ("SLURM_STEP_ID", "0"),
            ("SLURM_PROCID", "2"),
            ("SLURM_NTASKS", "4"),
        ];
        assert_eq!(auto(None, &step), Ok("3/4".into()));
        let both = [array("2", ["1", "3", "3"]), step.to_vec()].concat();
        assert_eq!(auto(None, &both), Ok("7/12".into()));
        // In the batch script itself every process would be the first.
        let error = auto(None, &step[1..]).unwrap_err();
        assert!(error.starts_with("no scheduler"), "{error}");
    }

    #[test]
    fn kubernetes_needs_to_be_told_how_many_there_are() {
        let job = [("JOB_COMPLETION_INDEX", "3")];
        let error = auto(None, &job).unwrap_err();
        assert!(
            error.contains("write auto/N") && error.contains("completions"),
            "{error}"
        );
        assert_eq!(auto(Some(8), &job), Ok("4/8".into()));
        let error = auto(Some(3), &job).unwrap_err();
        assert!(error.contains("JOB_COMPLETION_INDEX is 3"), "{error}");
    }

    #[test]
    fn what_cannot_be_told_is_refused_with_the_variable() {
        let gitlab = [("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "4")];
        for (of, variables, words) in [
            (None, vec![], "write it as I/N"),
            (
                Some(8),
                gitlab.to_vec(),
                "auto/8, but GitLab says that there are 4",
            ),
            (None, gitlab[..1].to_vec(), "CI_NODE_TOTAL is not set"),
            (
                None,
                vec![("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "4")],
                "CI_NODE_INDEX is \"0\"",
            ),
            (
                None,
                vec![("CI_NODE_INDEX", "5"), ("CI_NODE_TOTAL", "4")],
                "there are 4 shards",
            ),
            (
                None,
                [gitlab.to_vec(), vec![("JOB_COMPLETION_INDEX", "1")]].concat(),
                "both Kubernetes and GitLab",
            ),
        ] {
            let error = auto(of, &variables).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
