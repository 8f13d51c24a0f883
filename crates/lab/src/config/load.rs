//! Reading a config and the parts that it names.
//!
//! Invariant: parts lie under their own names and overlay in the order named, the naming file on top; a cycle, a
//! missing part or a path that leaves the library is an error at the line that names it.

use super::tree::{convert, overlay};
use super::{ConfigError, Origin, Problem, Scalar, Sources, Table, Tree};
use std::io::Read;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// The most bytes that a config file may have.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The most files that one config is made of: parts that name parts twice could otherwise double without end.
const FILES_MAX: usize = 256;

/// The folders in which parts and traces are looked up, in order.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// The folders.
    pub folders: Vec<PathBuf>,
}

impl Library {
    /// The folder of the config, then `configs/` here.
    #[must_use]
    pub fn beside(config: &Path) -> Library {
        let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut folders = vec![folder.unwrap_or(Path::new(".")).to_owned(), PathBuf::from("configs")];
        // A study's config lies two folders below the project, whose `configs/` it uses.
        let ancestors = folders[0].canonicalize().unwrap_or_default();
        folders.extend(
            ancestors.ancestors().skip(1).take(3).map(|above| above.join("configs")).filter(|c| c.is_dir()),
        );
        Library { folders }
    }

    /// What a part at `path` is called: its path below the folder in which it was found.
    #[must_use]
    pub fn name_of(&self, path: &Path) -> Option<PathBuf> {
        let names = self.folders.iter().filter_map(|folder| path.strip_prefix(folder).ok());
        names.min_by_key(|name| name.components().count()).map(Path::to_owned)
    }

    /// The file of that name. Errors: what is wrong with the name, in words.
    pub fn find(&self, name: &str) -> Result<PathBuf, String> {
        let plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
        if name.is_empty() || !Path::new(name).components().all(plain) {
            return Err(format!(
                "`{name}` leaves the folder of configs; name files below it, without `..` or a leading `/`"
            ));
        }
        let inside = |folder: &PathBuf| {
            let file = folder.join(name).canonicalize().ok()?;
            (file.is_file() && file.starts_with(folder.canonicalize().ok()?)).then(|| folder.join(name))
        };
        let searched = || self.folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
        self.folders.iter().find_map(inside).ok_or_else(|| format!("no file `{name}` in {}", searched()))
    }
}

struct Loader<'a> {
    library: &'a Library,
    sources: Sources,
    problems: Vec<Problem>,
    open: Vec<PathBuf>,
}

/// Read `path` and its parts into one table. Errors: everything wrong with any of them.
pub fn load(path: &Path, library: &Library) -> Result<(Table, Sources), ConfigError> {
    let text = read(path).map_err(|message| ConfigError::plain(message, None))?;
    load_text(path, text, library)
}

/// The same from text that is already there; `path` is its name in complaints.
pub fn load_text(path: &Path, text: String, library: &Library) -> Result<(Table, Sources), ConfigError> {
    let mut loader = Loader { library, sources: Sources::default(), problems: Vec::new(), open: Vec::new() };
    let table = loader.parse(path, text);
    let Loader { sources, problems, .. } = loader;
    if problems.is_empty() { Ok((table, sources)) } else { Err(ConfigError { problems, sources }) }
}

impl Loader<'_> {
    fn complain(&mut self, message: String, origin: Option<Origin>, help: Option<&str>) {
        self.problems.push(Problem { message, origin, help: help.map(String::from) });
    }

    fn parse(&mut self, path: &Path, text: String) -> Table {
        let file = self.sources.0.len();
        self.sources.0.push((path.to_owned(), text.clone()));
        let parsed = match DeTable::parse(&text) {
            Ok(parsed) => convert(file, parsed.get_ref()),
            Err(error) => {
                let origin = error.span().map(|bytes| Origin { file, bytes });
                let message = match origin {
                    Some(_) => error.message().to_owned(),
                    None => format!("{}: {}", path.display(), error.message()),
                };
                self.complain(
                    message,
                    origin,
                    Some("this is not TOML 1.0 of reasonable depth; see https://toml.io"),
                );
                return Table::new();
            }
        };
        self.open.push(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        let mut merged = self.merge_bases(parsed);
        // What a device part's model is held against (`spinney device predict`) settles nothing in an experiment.
        merged.remove("datasheet");
        self.open.pop();
        merged
    }

    /// `base` may stand at the top or in any section; a part always lies under the whole file.
    fn merge_bases(&mut self, mut table: Table) -> Table {
        let mut bases = Vec::new();
        self.take_bases(&mut table, &mut bases);
        for (_, node) in table.values_mut() {
            if let Tree::Table(section) = &mut node.tree {
                self.take_bases(section, &mut bases);
            }
        }
        let mut merged = Table::new();
        for (name, origin) in bases {
            overlay(&mut merged, self.part(&name, origin));
        }
        overlay(&mut merged, table);
        merged
    }

    fn take_bases(&mut self, table: &mut Table, bases: &mut Vec<(String, Origin)>) {
        let Some((_, node)) = table.remove("base") else { return };
        let items = match node.tree {
            Tree::List(items) => items,
            _ => vec![node],
        };
        for item in items {
            match item.tree {
                Tree::Scalar(Scalar::Text(name)) => bases.push((name, item.origin)),
                _ => self.complain("`base` names parts, in quotes".into(), Some(item.origin), None),
            }
        }
    }

    fn part(&mut self, name: &str, origin: Origin) -> Table {
        if self.sources.0.len() >= FILES_MAX {
            let message = format!("more than {FILES_MAX} files are read for one config");
            self.complain(message, Some(origin), Some("name fewer bases"));
            return Table::new();
        }
        let read = self.library.find(&format!("{name}.toml")).and_then(|path| Ok((read(&path)?, path)));
        let (message, help) = match read {
            Ok((_, path)) if self.open.contains(&path.canonicalize().unwrap_or_default()) => {
                (format!("part `{name}` is its own base, by a cycle"), "remove one `base`")
            }
            Ok((text, path)) => return self.parse(&path, text),
            Err(message) => (message, "parts are files such as configs/device/hdd.toml, named `device/hdd`"),
        };
        self.complain(message, Some(origin), Some(help));
        Table::new()
    }
}

/// A file's text. Errors: in words, with the file's name.
fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let failed = |error: std::io::Error| format!("cannot read {shown}: {error}");
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{shown} is no file; a config is a TOML file"));
    }
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{shown} is too large: a config has at most {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{shown}:{line}: this is not UTF-8 text; save the file as UTF-8")
    })
}
