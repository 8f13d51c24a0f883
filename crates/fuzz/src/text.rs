//! What is read as text: traces (packed ones too), results of fio, device parts, the description of a pool.
//!
//! Invariant: any text gives an answer or an error; what was understood is understood the same when it is written again.

use spinney_device::model::{DevicePart, FioResult, PRESETS, predict};
use spinney_registry::{PoolSpec, Registry};
use spinney_workload::{TraceInfo, TraceReader};
use std::io::Cursor;
use std::path::Path;

/// Requests of a trace that are read at most: a packed trace of a few bytes may hold millions.
const REQUESTS_MAX: usize = 20_000;

pub(crate) fn trace(data: &[u8]) {
    let reader = || TraceReader::from_reader(Path::new("fuzz.csv"), Box::new(Cursor::new(data.to_vec())));
    let Ok(mut first) = reader() else { return };
    let mut requests = 0;
    while requests < REQUESTS_MAX && matches!(first.next_request(), Ok(Some(_))) {
        requests += 1;
    }
    if requests < REQUESTS_MAX
        && let Ok(mut again) = reader()
    {
        let _ = TraceInfo::gather(&mut again);
    }
}

/// Both formats, plain and packed, and the ends of their numbers.
pub(crate) fn traces() -> Vec<Vec<u8>> {
    let plain = "time_us,op,offset,length\n0,W,0,4096\n5,R,4096,8192\n9,F,0,0\n11,D,8192,4096\n20,Z,0,512\n";
    let msr = "128166372003061629,usr,0,Read,7014609920,24576,41286\n128166372016382155,usr,0,Write,2517696512,4096,703\n";
    let ends = "time_us,op,offset,length\n18446744073709551615,W,18446744073709551615,18446744073709551615\n0,R,0,0\n";
    // A frame of one raw block.
    let packed = |text: &str| {
        let size = ((text.len() as u32) << 3 | 1).to_le_bytes();
        let length = (text.len() as u32).to_le_bytes();
        [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &length, &size[..3], text.as_bytes()].concat()
    };
    // A frame that says it is 2^60 bytes long, of one block that repeats a byte 128 Ki times.
    let bomb = [&[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &(1u64 << 60).to_le_bytes(), &[0x03, 0x00, 0x10, b'0']]
        .concat();
    let mut seeds: Vec<Vec<u8>> = [plain, msr, ends].iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.extend([packed(plain), packed(msr), bomb]);
    seeds
}

pub(crate) fn fio(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let Ok(result) = FioResult::from_json(text) else { return };
    assert!(result.runs > 0 && !result.figures.is_empty(), "a result has measured something");
    for figure in result.figures {
        assert!(figure.bytes_per_s > 0 && figure.cell.validate().is_ok(), "{figure:?} can be fitted to");
    }
}

/// A job of each kind, options in both places, and the ends of the numbers.
pub(crate) fn fios() -> Vec<Vec<u8>> {
    let job = |rw: &str, bs: &str, depth: &str, rate: u64| {
        let side = rw.trim_start_matches("rand");
        format!(
            r#"{{"jobname":"{rw}","error":0,"job options":{{"rw":"{rw}","bs":"{bs}","iodepth":"{depth}"}},"{side}":{{"bw_bytes":{rate},"iops":1.5}}}}"#
        )
    };
    let whole = |jobs: &[String]| {
        let head = r#"{"fio version":"fio-3.33","global options":{"direct":"1","time_based":"1","bs":"4k"},"jobs":["#;
        format!("{head}{}]}}", jobs.join(",")).into_bytes()
    };
    let ends = [job("read", "16m", "16", u64::MAX), job("write", "1m", "4096", 1), job("read", "0", "0", 0)];
    let kinds = ["read", "randread", "write", "randwrite"].map(|rw| job(rw, "64k", "32", 1_000_000_000));
    let prepares =
        r#"{"jobname":"fill","job options":{"rw":"write","time_based":"0"},"write":{}}"#.to_owned();
    vec![whole(&kinds), whole(&[vec![prepares], kinds.to_vec()].concat()), whole(&ends), whole(&ends[..1])]
}

pub(crate) fn device_part(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let Ok(part) = DevicePart::from_toml(text) else { return };
    let figures = part.datasheet.map_or_else(Vec::new, |sheet| sheet.figures().unwrap_or_default());
    if let Some(figure) = figures.first().filter(|figure| figure.cell.depth == 1) {
        let _ = predict(&part.device, figure.cell);
    }
}

/// The parts that come with spinney.
pub(crate) fn device_parts() -> Vec<Vec<u8>> {
    PRESETS.iter().map(|preset| preset.text.as_bytes().to_vec()).collect()
}

pub(crate) fn pool_spec(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let Ok(spec) = PoolSpec::parse(text) else { return };
    let again = PoolSpec::parse(&spec.text()).map(|again| again.text());
    assert_eq!(again, Ok(spec.text()), "what was understood is understood again");
    let _ = Registry::standard().parts(&spec);
}

/// The text of every pair, with settings.
pub(crate) fn pool_specs() -> Vec<Vec<u8>> {
    let registry = Registry::standard();
    let mut seeds = Vec::new();
    for allocator in registry.allocator_names() {
        for scheme in &registry.schemes {
            seeds.extend(registry.spec(allocator, scheme.name).map(|spec| spec.text().into_bytes()));
        }
    }
    seeds.push(b"index range\nindex.policy wndf\nindex.clump_shift i30\nform spacemap\nform.condense_percent i101\nreclaim at-commit\nscheme refcount\nscheme.fanout i2\n".to_vec());
    seeds
}
