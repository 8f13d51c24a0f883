//! Which file or disk a pool's name stands for: a small JSON file of the user's own.
//!
//! Invariant: it is replaced whole, never half-written; losing it loses no pool, since `pool import` finds one again by its file.

use crate::exit::Failure;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file's version.
const VERSION: u64 = 1;

/// The pools that this user knows.
pub(crate) struct Known {
    file: PathBuf,
    pools: BTreeMap<String, PathBuf>,
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
        let pool = |(name, path): (&String, &Value)| Some((name.clone(), PathBuf::from(path.as_str()?)));
        let pools = pools.iter().map(pool).collect::<Option<_>>().ok_or_else(damaged)?;
        Ok(Known { file, pools })
    }

    /// Where servers listen for this user's commands: in the session's folder if there is one, else beside the names.
    pub(crate) fn folder_of_sockets() -> io::Result<PathBuf> {
        if let Some(session) = folder("XDG_RUNTIME_DIR") {
            return Ok(session.join("spinney/run"));
        }
        let file = place().map_err(|failure| io::Error::other(failure.to_string()))?;
        Ok(file.with_file_name("run"))
    }

    pub(crate) fn pools(&self) -> &BTreeMap<String, PathBuf> {
        &self.pools
    }

    /// Errors: what to do about a name that is not known.
    pub(crate) fn path(&self, pool: &str) -> Result<&Path, Failure> {
        self.pools.get(pool).map(PathBuf::as_path).ok_or_else(|| {
            let near = spinney_registry::nearest(pool, self.pools.keys().map(String::as_str));
            let near = near.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            Failure::Usage(format!(
                "no pool `{pool}` is known{near} (`spinney pool list`, `spinney pool import FILE`)"
            ))
        })
    }

    pub(crate) fn add(&mut self, pool: &str, path: &Path) -> Result<(), Failure> {
        let whole =
            fs::canonicalize(path).map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
        self.pools.insert(pool.to_owned(), whole);
        self.store()
    }

    pub(crate) fn forget(&mut self, pool: &str) -> Result<(), Failure> {
        self.pools.remove(pool);
        self.store()
    }

    fn store(&self) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::Other(format!("{}: {error}", self.file.display()));
        let folder = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        let paths = self.pools.iter().map(|(name, path)| (name.clone(), json!(path.to_string_lossy())));
        let text = json!({ "version": VERSION, "pools": Value::Object(paths.collect()) });
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{text:#}\n")).and_then(|()| fs::rename(&new, &self.file)).map_err(failed)
    }
}
