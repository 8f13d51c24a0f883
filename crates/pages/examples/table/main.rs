//! A database table with a secondary index: users by id, and the same users by name.
//!
//! Invariant: the index holds exactly one entry for each row, under the row's name. Both maps change inside one epoch, so
//! after a power cut either both show a change or neither does; no code here has to care.
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use spinney_core::{BlockDevice, Extent, Flow, PageKind, PageRead, PageTxn, Pba, Result};
use spinney_device::MemoryDevice;
use spinney_pages::map::OrderedFixed;
use spinney_pages::{Layout, OrderedMap, PageStore, StoreOptions};
use std::ops::Bound;
use std::sync::Arc;

const KIND: PageKind = PageKind::OTHER;
/// From the first key to the last.
const EVERYTHING: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Unbounded);

/// One row. The id is its key, and is not stored twice.
#[derive(Clone, Debug, PartialEq)]
struct User {
    name: String,
    city: String,
}

/// Rows by id (`id -> name NUL city`) and the index (`name -> id`).
#[derive(Clone, Copy)]
struct Users {
    by_id: OrderedMap,
    by_name: OrderedMap,
}

fn decode(row: &[u8]) -> User {
    let text = String::from_utf8_lossy(row);
    let (name, city) = text.split_once('\0').unwrap_or((&text, ""));
    User { name: name.into(), city: city.into() }
}

impl Users {
    fn create(pages: &mut dyn PageTxn) -> Result<Users> {
        let by_id = OrderedMap::create(KIND, Layout::Variable, pages)?;
        Ok(Users { by_id, by_name: OrderedMap::create(KIND, Layout::Variable, pages)? })
    }

    /// Store a row, new or changed, and keep the index in step. `false`, and nothing changes, if another has that name.
    fn put(&self, id: u64, user: &User, pages: &mut dyn PageTxn) -> Result<bool> {
        if self.find(&user.name, pages)?.is_some_and(|(owner, _)| owner != id) {
            return Ok(false);
        }
        if let Some(old) = self.get(id, pages)?.filter(|old| old.name != user.name) {
            self.by_name.remove(old.name.as_bytes(), pages)?;
        }
        self.by_name.put(user.name.as_bytes(), &id.to_ordered(), pages)?;
        self.by_id.put(&id.to_ordered(), format!("{}\0{}", user.name, user.city).as_bytes(), pages)?;
        Ok(true)
    }

    fn get(&self, id: u64, pages: &dyn PageRead) -> Result<Option<User>> {
        self.by_id.get_with(&id.to_ordered(), pages, decode)
    }

    /// Through the index: name to id, id to row.
    fn find(&self, name: &str, pages: &dyn PageRead) -> Result<Option<(u64, User)>> {
        let id = self
            .by_name
            .get_with(name.as_bytes(), pages, |id| id.try_into().map(|id| u64::from_ordered(&id)));
        let Some(Ok(id)) = id? else { return Ok(None) };
        Ok(self.get(id, pages)?.map(|user| (id, user)))
    }

    fn remove(&self, id: u64, pages: &mut dyn PageTxn) -> Result<bool> {
        let Some(user) = self.get(id, pages)? else { return Ok(false) };
        self.by_name.remove(user.name.as_bytes(), pages)?;
        self.by_id.remove(&id.to_ordered(), pages)
    }

    /// All names in order, from the index alone.
    fn names(&self, pages: &dyn PageRead) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.by_name.range(EVERYTHING, pages, &mut |name, _id| {
            names.push(String::from_utf8_lossy(name).into_owned());
            Flow::Continue
        })?;
        Ok(names)
    }
}

fn user(name: &str, city: &str) -> User {
    User { name: name.into(), city: city.into() }
}

fn main() -> Result<()> {
    let device: Arc<dyn BlockDevice> = Arc::new(MemoryDevice::new(4096));
    let area = [Extent::new(Pba(0), 4096)];
    let mut store = PageStore::format(device.clone(), &area, StoreOptions::default())?;
    let users = Users::create(&mut store)?;
    for (id, name, city) in [(3, "lin", "Oslo"), (1, "ada", "Turin"), (2, "eve", "Ghent")] {
        users.put(id, &user(name, city), &mut store)?;
    }
    println!("by id    2     {:?}", users.get(2, &store)?);
    println!("by name  lin   {:?}", users.find("lin", &store)?);
    println!("a name that is taken is refused: stored = {}", users.put(9, &user("ada", "Bonn"), &mut store)?);
    users.put(1, &user("zoe", "Turin"), &mut store)?;
    println!(
        "1 is renamed: ada is {:?}, zoe is {:?}",
        users.find("ada", &store)?,
        users.find("zoe", &store)?
    );

    let epoch = store.epoch().next();
    let root = store.seal(epoch)?; // a real owner flushes, writes the root to its superblock, and flushes
    device.flush()?;
    store.committed(epoch);
    users.remove(2, &mut store)?;
    println!("after the commit 2 is removed: {:?}", users.names(&store)?);
    let after_a_cut = PageStore::open(device, &area, &root, StoreOptions::default())?;
    println!("had the power failed then:     {:?} (table and index alike)", users.names(&after_a_cut)?);
    Ok(())
}

#[cfg(test)]
mod tests;
