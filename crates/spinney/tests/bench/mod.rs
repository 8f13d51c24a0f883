//! The command in a folder of its own, with a pool `tank` that has a volume `home` of 8 MiB.
//!
//! Invariant: nothing outside the folder is read or written: pools, their names and sockets are in it. Servers end with it.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses some of it")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use tempfile::TempDir;

pub(crate) struct Bench(TempDir);

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::with("32M", "8M", "")
    }
    /// With sizes of pool and volume, and more words for the pool's making.
    pub(crate) fn with(pool: &str, volume: &str, more: &str) -> Bench {
        let bench = Bench(tempfile::tempdir().unwrap());
        bench.text(format!("pool create tank tank.img --size {pool} {more}").trim(), 0);
        bench.text(&format!("vol create tank/home --size {volume}"), 0);
        bench
    }
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spinney"));
        command.args(arguments.split(' ')).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.0.path()).env_remove("XDG_RUNTIME_DIR");
        command
    }
    /// Both outputs; the exit code must be this.
    pub(crate) fn text(&self, arguments: &str, code: i32) -> String {
        let output = self.command(arguments).output().unwrap();
        let text = both(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments}\n{text}");
        text
    }
    pub(crate) fn json(&self, arguments: &str) -> Value {
        let value: Value = serde_json::from_str(&self.text(arguments, 0)).unwrap();
        assert!(value["output_version"]["vers_major"].is_u64());
        value
    }
    pub(crate) fn names(&self) -> Vec<String> {
        let list = self.text("vol list tank -H -o name", 0);
        list.lines().map(str::to_owned).collect()
    }
    /// With nobody who reads what it prints; it must succeed all the same.
    pub(crate) fn unread(&self, arguments: &str) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = self.command(arguments).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{arguments}\n{}", both(&output));
    }
    /// `serve tank` with these words, once it serves.
    pub(crate) fn serve(&self, arguments: &str) -> Server {
        let (mut server, lines) = self.start(arguments);
        // Its lines are read to the end, or it would wait for a reader.
        server.reader = Some(std::thread::spawn(move || lines.map_while(Result::ok).collect()));
        server
    }
    /// The same; once it serves nobody reads what it says.
    pub(crate) fn serve_unread(&self, arguments: &str) -> Server {
        self.start(arguments).0
    }
    /// `serve tank`, started by a service manager that hands over this socket, once it serves.
    pub(crate) fn inherit(&self, socket: std::os::fd::OwnedFd, arguments: &str) -> Server {
        let mut command = Command::new("sh");
        // The socket comes as standard input, and goes on as the first descriptor behind the three standard ones.
        let line = format!(
            "export LISTEN_PID=$$ LISTEN_FDS=1; exec {} {arguments} 3<&0 0</dev/null",
            env!("CARGO_BIN_EXE_spinney")
        );
        command.args(["-c", &line]).current_dir(self.0.path()).stdin(socket).stderr(Stdio::piped());
        command.env("XDG_STATE_HOME", self.0.path()).env("NOTIFY_SOCKET", self.path("notes.sock"));
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let reader = std::thread::spawn(move || lines.map_while(Result::ok).collect());
        Server { child, reader: Some(reader) }
    }
    fn start(&self, arguments: &str) -> (Server, Lines<BufReader<ChildStderr>>) {
        let mut command = self.command(&format!("serve tank {arguments}"));
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let server = Server { child, reader: None };
        let mut said = Vec::new();
        while !said.last().is_some_and(|line: &String| line.contains("end with Ctrl-C")) {
            said.push(lines.next().unwrap_or_else(|| panic!("the server ended: {said:?}")).unwrap());
        }
        (server, lines)
    }
    /// The control socket of the server.
    pub(crate) fn control_socket(&self) -> PathBuf {
        let mut sockets = std::fs::read_dir(self.path("spinney/run")).unwrap();
        sockets.next().expect("a server has a control socket").unwrap().path()
    }
}

pub(crate) struct Server {
    child: Child,
    reader: Option<std::thread::JoinHandle<Vec<String>>>,
}

impl Server {
    /// As Ctrl-C does. What it said.
    pub(crate) fn end(mut self) -> String {
        run("kill", &["-INT", &self.child.id().to_string()]);
        assert!(self.child.wait().unwrap().success());
        self.reader.take().map_or_else(String::new, |reader| reader.join().unwrap().join("\n"))
    }
    /// As a power cut does, if it holds what is not flushed.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn both(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Another program, which must succeed. What it said.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    attempt(program, arguments).unwrap_or_else(|error| panic!("{error}"))
}

/// Another program; its outputs, or with its name in the error if it failed.
pub(crate) fn attempt(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let text = both(&output);
    if output.status.success() { Ok(text) } else { Err(format!("{program} {arguments:?}: {text}")) }
}

/// Why a file system cannot be put on a loop device over FUSE here: what of these programs, root and devices is missing.
pub(crate) fn lacks(programs: &[&str]) -> Option<String> {
    let root = run("id", &["-u"]).trim() == "0";
    let opens = |path: &str| std::fs::File::options().read(true).write(true).open(path).is_ok();
    let devices = ["/dev/fuse", "/dev/loop-control"].into_iter().find(|device| !opens(device));
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths(&folders).chain(["/usr/sbin", "/sbin"].map(PathBuf::from)).collect();
    let there = |program: &&&str| folders.iter().any(|folder: &PathBuf| Path::join(folder, program).exists());
    let missing = programs.iter().find(|program| !there(program)).copied();
    if root { devices.or(missing).map(str::to_owned) } else { Some("root".into()) }
}
