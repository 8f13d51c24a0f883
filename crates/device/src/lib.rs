//! Things that are block devices: memory, file, modelled disks in virtual time, crash, meter, recorder.
