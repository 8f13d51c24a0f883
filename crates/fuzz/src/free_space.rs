//! Free space as other people's tools print it.
//!
//! Invariant: any text gives a disk whose free runs rise inside it, or an error that says why.

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    match spinney_import::parse(text, 1) {
        Ok(state) => {
            let apart = state.free.windows(2).all(|pair| pair[0].end() <= pair[1].start);
            let inside = state.free.last().is_none_or(|run| run.end().0 <= state.total_blocks);
            assert!(apart && inside && state.free.iter().all(|run| run.blocks > 0), "{state:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error says what is wrong"),
    }
}

/// What the tools printed, cut to a few runs, and the ends of the numbers.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    [
        "Block count:  100\nBlock size:  1024\n  Free blocks: 1-9, 12, 20-31\n  Free blocks: \n",
        "blocksize = 4096\nagblocks = 100\nagcount = 4\ndblocks = 400\n  agno agbno len\n 0 6 1\n 3 10 90\n  from to extents blocks pct\n 1 1 1 1 1.1\n",
        "agcount=2, agsize=50 blks\ndata     = bsize=4096   blocks=100, imaxpct=25\n from to extents blocks pct\n 4 7 2 11 9.0\n 8 15 1 9 9.0\n",
        "item 0 key (8192 FREE_SPACE_INFO 65536) x\nitem 1 key (12288 FREE_SPACE_EXTENT 4096) x\nitem 2 key (90000 FREE_SPACE_INFO 8192) x\n",
        "Blocksize: 1024 bytes\nTotal blocks: 900\nHISTOGRAM OF FREE EXTENT SIZES:\n 4K... 8K- : 5 30 9.0%\n 64K...  128K-  : 2 200 9.0%\n",
        "{\"capacity\": 65536, \"extents\": [{\"offset\": \"0x1000\", \"length\": \"0x2000\"}, {\"offset\": 32768, \"length\": 4096}]}",
        "bluefs-db:\n{\"capacity\": 8192, \"extents\": []}\n\nblock:\n[{\"offset\": \"0x1000\", \"length\": \"0x2000\"}]\n",
        "Block count:  18446744073709551615\nBlock size:  18446744073709551615\n  Free blocks: 0-18446744073709551615\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}
