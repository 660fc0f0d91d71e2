//! The machine: its data, its cores and their distribution. It must not know who runs on them.

use std::{fs, process::Command, thread};

/// The cores of the load and the upstreams, and those of the measured program.
pub struct Cores {
    load: Option<String>,
    measured: Option<String>,
    all: Option<String>,
    /// The machine's other work before the run, which shows in all times.
    busy: String,
    /// The number of cores that the machine has.
    pub number: usize,
}

impl Cores {
    /// Distributes the cores, and moves this program to those of the load. Programs that it starts run there too,
    /// unless they are moved. Without `taskset`, or on one core, all run everywhere.
    pub fn share() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        if cores < 2 {
            eprintln!("there is one core: load, upstream and program share it");
            return Self {
                load: None,
                measured: None,
                all: None,
                number: cores,
                busy: busy(),
            };
        }
        let shared = Self {
            load: Some(format!("0-{}", cores - 2)),
            measured: Some((cores - 1).to_string()),
            all: Some(format!("0-{}", cores - 1)),
            number: cores,
            busy: busy(),
        };
        if shared.load.as_deref().is_some_and(moved) {
            return shared;
        }
        eprintln!(
            "programs are not bound to cores: that needs taskset (apt-get install util-linux)"
        );
        Self {
            load: None,
            measured: None,
            all: None,
            number: cores,
            busy: busy(),
        }
    }

    /// Returns the cores of the measured program.
    pub fn measured(&self) -> Option<&str> {
        self.measured.as_deref()
    }

    /// Returns the cores of a program with several workers.
    pub fn all(&self) -> Option<&str> {
        self.all.as_deref()
    }

    /// Runs an action while this program may run everywhere.
    pub fn unpinned<T>(&self, action: impl FnOnce() -> T) -> T {
        self.all.as_deref().map(moved);
        let result = action();
        self.load.as_deref().map(moved);
        result
    }
}

fn busy() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute = load.split(' ').next().unwrap_or_default();
    format!("load average before the run: {minute}")
}

/// Moves this program to these cores.
fn moved(cores: &str) -> bool {
    let mut command = Command::new("taskset");
    command.args(["-c", "-p", cores, &std::process::id().to_string()]);
    command.output().is_ok_and(|output| output.status.success())
}

/// Returns the facts about the machine, one line for each.
pub fn facts(cores: &Cores) -> Vec<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let gigabytes = memory
        .and_then(|text| text.trim().parse::<f64>().ok())
        .unwrap_or_default()
        / 1024.0
        / 1024.0;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let virtual_machine = cpu.contains(" hypervisor ");
    vec![
        format!(
            "{}, {} cores{}, {gigabytes:.0} GiB",
            model.map_or("unknown CPU", |(_, model)| model),
            cores.number,
            if virtual_machine {
                " of a virtual machine"
            } else {
                ""
            },
        ),
        format!("Linux {}", kernel.trim()),
        cores.busy.clone(),
    ]
}
