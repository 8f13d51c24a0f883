//! Which file or disk a pool's name stands for: a small JSON file of the user's own.
//!
//! Invariant: it is replaced whole and durably, under a lock, never half-written and never over another command's change; losing it loses no pool, since `pool import` finds one again by its file.

use crate::exit::Failure;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file's version.
const VERSION: u64 = 1;

type Pools = BTreeMap<String, Vec<PathBuf>>;

/// The pools that this user knows.
pub(crate) struct Known {
    file: PathBuf,
    pools: Pools,
}

fn folder(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_absolute())
}

fn place() -> Result<PathBuf, Failure> {
    let state = folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")));
    let lost =
        || Failure::Other("neither XDG_STATE_HOME nor HOME says where the names of pools are kept".into());
    Ok(state.ok_or_else(lost)?.join("spinney").join("pools.json"))
}

impl Known {
    pub(crate) fn load() -> Result<Known, Failure> {
        let file = place()?;
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Known { file, pools: BTreeMap::new() });
            }
            Err(error) => return Err(Failure::Other(format!("{}: {error}", file.display()))),
        };
        let damaged = || {
            let what = "is not a list of pools; move it away, and `spinney pool import FILE` each of them";
            Failure::Other(format!("{} {what}", file.display()))
        };
        let value: Value = serde_json::from_str(&text).map_err(|_| damaged())?;
        let pools = value["pools"].as_object().filter(|_| value["version"] == VERSION).ok_or_else(damaged)?;
        let path = |path: &Value| path.as_str().map(PathBuf::from);
        let paths = |of: &Value| match of.as_array() {
            Some(several) => {
                several.iter().map(path).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
            }
            None => Some(vec![path(of)?]),
        };
        let pool = |(name, of): (&String, &Value)| Some((name.clone(), paths(of)?));
        let pools = pools.iter().map(pool).collect::<Option<_>>().ok_or_else(damaged)?;
        Ok(Known { file, pools })
    }

    /// Where servers listen for this user's commands: beside the names, so that whoever finds a pool finds its server, from a session or without one.
    pub(crate) fn folder_of_sockets() -> io::Result<PathBuf> {
        let file = place().map_err(|failure| io::Error::other(failure.to_string()))?;
        Ok(file.with_file_name("run"))
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// The file or disk that stands for the pool, where it has several the first. Errors: as `paths`.
    pub(crate) fn path(&self, pool: &str) -> Result<&Path, Failure> {
        self.paths(pool).map(|paths| paths[0].as_path())
    }

    /// All its files or disks, at least one. Errors: what to do about a name that is not known.
    pub(crate) fn paths(&self, pool: &str) -> Result<&[PathBuf], Failure> {
        self.pools.get(pool).map(Vec::as_slice).ok_or_else(|| {
            let near = spinney_registry::nearest(pool, self.pools.keys().map(String::as_str));
            let near = near.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            Failure::Usage(format!(
                "no pool `{pool}` is known{near} (`spinney pool list`, `spinney pool import FILE`)"
            ))
        })
    }

    /// Errors: `Usage` if the name is another pool's by now.
    pub(crate) fn add(&mut self, pool: &str, paths: &[PathBuf]) -> Result<(), Failure> {
        let whole: Vec<PathBuf> = paths.iter().map(|path| whole(path)).collect::<Result<_, _>>()?;
        self.change(|pools| match pools.insert(pool.to_owned(), whole.clone()) {
            Some(other) if other != whole => {
                Err(Failure::Usage(format!("a pool `{pool}` is known already, on {}", other[0].display())))
            }
            _ => Ok(()),
        })
    }

    /// A pool has a file or disk more, perhaps in the place of another one.
    pub(crate) fn replace(&mut self, pool: &str, old: Option<&Path>, new: &Path) -> Result<(), Failure> {
        let new = whole(new)?;
        self.change(|pools| {
            if let Some(paths) = pools.get_mut(pool) {
                paths.retain(|path| Some(path.as_path()) != old && *path != new);
                paths.push(new);
            }
            Ok(())
        })
    }

    pub(crate) fn forget(&mut self, pool: &str) -> Result<(), Failure> {
        self.change(|pools| {
            pools.remove(pool);
            Ok(())
        })
    }

    /// Change the list as it is now, which is another command's if one came between, and make that durable.
    fn change(&mut self, act: impl FnOnce(&mut Pools) -> Result<(), Failure>) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::Other(format!("{}: {error}", self.file.display()));
        let folder = self.file.parent().unwrap_or(Path::new(".")).to_owned();
        fs::create_dir_all(&folder).map_err(failed)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(self.file.with_extension("lock"));
        let lock = lock.map_err(failed)?;
        lock.lock().map_err(failed)?; // until it is dropped
        let mut pools = Known::load()?.pools;
        act(&mut pools)?;
        self.pools = pools;
        self.store(&folder).map_err(|error| Failure::Other(format!("{}: {error}", self.file.display())))
    }

    /// The content before the name, and both before it is said that they are there.
    fn store(&self, folder: &Path) -> io::Result<()> {
        let text = |path: &PathBuf| json!(path.to_string_lossy());
        let paths = self.pools.iter().map(|(name, paths)| {
            let all: Vec<Value> = paths.iter().map(text).collect();
            (name.clone(), if all.len() == 1 { all[0].clone() } else { json!(all) })
        });
        let text = json!({ "version": VERSION, "pools": Value::Object(paths.collect()) });
        let new = self.file.with_extension("new");
        let mut file = File::create(&new)?;
        writeln!(file, "{text:#}")?;
        file.sync_all()?;
        fs::rename(&new, &self.file)?;
        File::open(folder)?.sync_all()
    }
}

fn whole(path: &Path) -> Result<PathBuf, Failure> {
    fs::canonicalize(path).map_err(|error| Failure::Other(format!("{}: {error}", path.display())))
}
