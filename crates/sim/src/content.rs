//! What versions hold: in the model, and as read from a pool.
//!
//! Invariant: a block of zeros is never in a map, so two contents are equal exactly when a reader could not tell them apart.

use spinney_core::{BLOCK_BYTES, DevId, Lba, LbaRange};
use spinney_snap::Access;
use spinney_volume::Pool;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

type Block = Arc<[u8; BLOCK_BYTES]>;

/// Volumes up to this size are read whole, holes too; of larger ones what is mapped.
const READ_WHOLE_BLOCKS: u64 = 64;
const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// What no reader can tell: it is equal to any other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unseen(pub bool);

impl PartialEq for Unseen {
    fn eq(&self, _: &Unseen) -> bool {
        true
    }
}

impl Eq for Unseen {}

impl Hash for Unseen {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// A version's content; absent blocks are zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// Its size.
    pub blocks: u64,
    /// Whether it may be written.
    pub writable: bool,
    /// Its name, as `volume` or `volume@snapshot`.
    pub name: Option<Arc<str>>,
    /// The snapshot that a clone with a name was taken from, while that has a name.
    pub origin: Option<DevId>,
    /// Whether it lost its name and goes as soon as it can.
    pub doomed: Unseen,
    map: Arc<BTreeMap<u64, Block>>,
}

/// All live versions.
pub type State = BTreeMap<DevId, Content>;

impl Content {
    /// A new volume, all zeros.
    #[must_use]
    pub fn new(blocks: u64) -> Content {
        Content {
            blocks,
            writable: true,
            name: None,
            origin: None,
            doomed: Unseen(false),
            map: Arc::default(),
        }
    }

    /// The same content as a version without a name.
    #[must_use]
    pub(crate) fn taken(&self, writable: bool) -> Content {
        Content { writable, map: self.map.clone(), ..Content::new(self.blocks) }
    }

    /// The same under a name.
    #[must_use]
    pub(crate) fn called(mut self, name: &str, origin: Option<DevId>) -> Content {
        (self.name, self.origin) = (Some(name.into()), origin);
        self
    }

    /// Blocks of a range that are not zeros.
    pub(crate) fn mapped(&self, range: Range<u64>) -> Vec<u64> {
        self.map.range(range).map(|(at, _)| *at).collect()
    }

    /// Some bytes of a block.
    pub(crate) fn bytes(&self, at: u64, part: Range<usize>) -> &[u8] {
        self.map.get(&at).map_or(&ZEROS[part.clone()], |block| &block[part])
    }

    /// Bytes inside one block.
    pub(crate) fn overwrite(&mut self, offset: u64, data: &[u8]) {
        let (at, skew) = (offset / BLOCK_BYTES as u64, (offset % BLOCK_BYTES as u64) as usize);
        let mut block = *self.map.get(&at).map_or(&ZEROS, |block| block);
        block[skew..skew + data.len()].copy_from_slice(data);
        self.put(at, &block);
    }

    /// A block becomes zeros.
    pub(crate) fn clear(&mut self, at: u64) {
        Arc::make_mut(&mut self.map).remove(&at);
    }

    fn put(&mut self, at: u64, block: &[u8; BLOCK_BYTES]) {
        let map = Arc::make_mut(&mut self.map);
        match *block == ZEROS {
            true => map.remove(&at),
            false => map.insert(at, Arc::new(*block)),
        };
    }

    fn put_all(&mut self, first: u64, bytes: &[u8]) {
        for (at, block) in (first..).zip(bytes.as_chunks::<BLOCK_BYTES>().0) {
            self.put(at, block);
        }
    }
}

/// Everything that a pool's versions hold. Errors: in words.
pub(crate) fn read(pool: &Pool) -> Result<State, String> {
    let versions = pool.versions().map_err(|error| format!("list: {error}"))?;
    let mut state = State::new();
    for version in versions {
        let mut content = Content::new(version.blocks);
        content.writable = version.access == Access::Writable;
        for range in stretches(pool, version.dev, version.blocks)? {
            let mut bytes = vec![0xEE; range.blocks as usize * BLOCK_BYTES];
            pool.read(version.dev, range.start.0 * BLOCK_BYTES as u64, &mut bytes)
                .map_err(|error| format!("read {}: {error}", version.dev))?;
            content.put_all(range.start.0, &bytes);
        }
        state.insert(version.dev, content);
    }
    let names = pool.names().map_err(|error| format!("names: {error}"))?;
    let devs: BTreeMap<String, DevId> =
        names.iter().map(|named| (named.name.to_string(), named.dev)).collect();
    for named in names {
        let content = state.get_mut(&named.dev).ok_or(format!("{} leads to no version", named.name))?;
        content.name = Some(named.name.to_string().into());
        content.origin = named.origin.and_then(|origin| devs.get(&origin.to_string()).copied());
    }
    Ok(state)
}

/// What to read of a version.
fn stretches(pool: &Pool, dev: DevId, blocks: u64) -> Result<Vec<LbaRange>, String> {
    let whole = LbaRange::new(Lba(0), blocks);
    if blocks <= READ_WHOLE_BLOCKS {
        return Ok(vec![whole]);
    }
    let mut mapped = Vec::new();
    let each = &mut |run: spinney_snap::Run| {
        mapped.extend(run.on.map(|_| LbaRange::new(run.at, run.blocks)));
    };
    pool.runs(dev, whole, each).map_err(|error| format!("map of {dev}: {error}"))?;
    Ok(mapped)
}

/// The first difference, in words.
pub(crate) fn differs(wanted: &State, found: &State) -> Option<String> {
    let (here, there): (Vec<DevId>, Vec<DevId>) =
        (wanted.keys().copied().collect(), found.keys().copied().collect());
    if here != there {
        return Some(format!("versions {there:?}, not {here:?}"));
    }
    let (dev, (wanted, found)) = wanted
        .iter()
        .map(|(dev, content)| (dev, (content, &found[dev])))
        .find(|(_, (wanted, found))| wanted != found)?;
    if (wanted.blocks, wanted.writable) != (found.blocks, found.writable) {
        return Some(format!("size or access of {dev} differs"));
    }
    if (&wanted.name, wanted.origin) != (&found.name, found.origin) {
        let (name, origin) = (&found.name, found.origin);
        return Some(format!(
            "{dev} is {name:?} of {origin:?}, not {:?} of {:?}",
            wanted.name, wanted.origin
        ));
    }
    let mut places = wanted.mapped(0..u64::MAX);
    places.extend(found.mapped(0..u64::MAX));
    places.sort_unstable();
    let at = places.into_iter().find(|at| wanted.map.get(at) != found.map.get(at))?;
    Some(format!("block {at} of {dev} differs"))
}
