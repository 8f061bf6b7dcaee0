//! The processes of the cluster.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::Error;

const HOST: &str = "127.0.0.1";
/// How long a process may take to be ready.
const START: Duration = Duration::from_secs(60);

/// A process that ends with its handle.
struct Process(Child);

impl Process {
    /// Starts one of the programs beside this one. Its output goes to a file of the folder.
    fn start(program: &str, name: &str, folder: &Path, args: &[String]) -> Result<Self, Error> {
        let path = std::env::current_exe()?;
        let path = path.ancestors().nth(2).ok_or("this program has no folder")?.join(program);
        if !path.is_file() {
            let build = "cargo build --features cluster --bins";
            return Err(format!("{} is missing: run `{build}` first", path.display()).into());
        }
        let log = File::create(folder.join(format!("{name}.log")))?;
        let child = Command::new(path)
            .args(args)
            // A share of the cores for each: the codec would use all of them.
            .env("RAYON_NUM_THREADS", "1")
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Scheduler {
    port: u16,
    _process: Process,
}

impl Scheduler {
    pub fn start(folder: &Path, models: &str) -> Result<Self, Error> {
        let port = free_port()?;
        // Executors say that they live each second; one that doesn't for five is lost.
        let args = format!(
            "--bind-host {HOST} --external-host {HOST} --bind-port {port} --executor-timeout-seconds 5 \
             --expire-dead-executor-interval-seconds 1 --engine cpu --models {models}"
        );
        let process = Process::start("vecodec-scheduler", "scheduler", folder, &words(&args))?;
        wait_for(|| TcpStream::connect((HOST, port)).is_ok(), "the scheduler")?;
        Ok(Self { port, _process: process })
    }

    pub fn url(&self) -> String {
        format!("df://{HOST}:{}", self.port)
    }
}

pub struct Executor {
    process: Process,
    work: PathBuf,
}

impl Executor {
    pub fn start(folder: &Path, name: &str, scheduler: &Scheduler) -> Result<Self, Error> {
        let work = folder.join(name);
        let (port, health) = (free_port()?, free_port()?);
        let args = format!(
            "--bind-host {HOST} --external-host {HOST} --scheduler-host {HOST} --scheduler-port {} \
             --bind-port {port} --bind-grpc-port {} --bind-health-port {health} --id {name} --vcores 1 \
             --executor-heartbeat-interval-seconds 1 --engine cpu --work-dir {}",
            scheduler.port,
            free_port()?,
            work.display(),
        );
        let process = Process::start("vecodec-executor", name, folder, &words(&args))?;
        wait_for(|| is_ready(health), name)?;
        Ok(Self { process, work })
    }

    /// Ends the process at once, without a word to the scheduler.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.process.0.kill()?;
        self.process.0.wait()?;
        Ok(())
    }

    /// The files that finished tasks have left for the next stage.
    pub fn finished_tasks(&self) -> usize {
        count_files(&self.work)
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A port that was free just now.
fn free_port() -> Result<u16, Error> {
    Ok(TcpListener::bind((HOST, 0))?.local_addr()?.port())
}

fn wait_for(ready: impl Fn() -> bool, what: &str) -> Result<(), Error> {
    let start = Instant::now();
    while !ready() {
        if start.elapsed() > START {
            return Err(format!("{what} is not ready after {START:?}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Whether an executor says that the scheduler knows it.
fn is_ready(port: u16) -> bool {
    let ask = || {
        let mut connection = TcpStream::connect((HOST, port))?;
        connection
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).map(|_| answer)
    };
    ask().is_ok_and(|answer: String| answer.starts_with("HTTP/1.1 200"))
}

fn count_files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |entry: std::fs::DirEntry| match entry.path().is_dir() {
        true => count_files(&entry.path()),
        false => 1,
    };
    entries.flatten().map(count).sum()
}
