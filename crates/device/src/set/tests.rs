//! Sets as their users see them: any order assembles, what does not fit is told, and content is that of one device.

use super::*;
use crate::{
    MemoryDevice,
    tests::{block, conforms, read_block},
};

pub(super) const SET: [u8; 16] = *b"a number of one!";

type Shared = Arc<dyn BlockDevice>;

fn memories(blocks: &[u64]) -> Vec<Shared> {
    blocks.iter().map(|blocks| Arc::new(MemoryDevice::new(LABEL_BLOCKS + blocks)) as Shared).collect()
}

pub(super) fn labels(devices: &[Shared]) -> Vec<Option<Label>> {
    devices.iter().map(|device| Label::load(&**device).unwrap()).collect()
}

fn reopen(devices: &[Shared], degraded: bool) -> Result<DeviceSet, Misfit> {
    arrange(&labels(devices), degraded).map(|arranged| DeviceSet::open(&arranged, devices).unwrap())
}

fn create(kind: SetKind, devices: &[Shared]) -> DeviceSet {
    DeviceSet::create(kind, 8, devices.to_vec(), SET).unwrap()
}

const KINDS: [SetKind; 3] = [SetKind::Concat, SetKind::Stripe, SetKind::Mirror];

#[test]
fn every_kind_agrees_with_an_array_model() {
    for kind in KINDS {
        for seed in 0..6 {
            let set = create(kind, &memories(&[40, 64, 47]));
            let wanted = match kind {
                SetKind::Concat => 151,
                SetKind::Stripe => 120,
                SetKind::Mirror => 40,
            };
            assert_eq!(set.device.blocks(), wanted, "{kind:?}");
            conforms(&*set.device, seed, 300);
        }
    }
}

#[test]
fn devices_in_any_order_are_the_same_set() {
    for kind in KINDS {
        let devices = memories(&[40, 40, 40]);
        let set = create(kind, &devices);
        (0..set.device.blocks()).for_each(|at| set.device.write(Pba(at), &block(at)).unwrap());
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let shuffled: Vec<Shared> = order.iter().map(|at| devices[*at].clone()).collect();
            let again = reopen(&shuffled, false).unwrap();
            assert!(
                (0..again.device.blocks()).all(|at| read_block(&*again.device, at) == block(at)),
                "{kind:?} {order:?}"
            );
        }
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let (devices, other) = (memories(&[40, 40]), memories(&[40, 40]));
    create(SetKind::Stripe, &devices);
    DeviceSet::create(SetKind::Stripe, 8, other.clone(), [7; 16]).unwrap();
    let told = |given: &[&Shared]| {
        let given: Vec<Shared> = given.iter().map(|one| (*one).clone()).collect();
        reopen(&given, true).err().unwrap()
    };
    let blank = memories(&[40]);
    assert_eq!(told(&[]), Misfit::Nothing);
    assert_eq!(told(&[&devices[1]]), Misfit::Missing(0), "no stripe goes on without a member");
    assert_eq!(told(&[&devices[0], &blank[0]]), Misfit::NoMember(1));
    assert_eq!(told(&[&devices[0], &other[1]]), Misfit::OtherSet(1));
    assert_eq!(told(&[&devices[0], &devices[0], &devices[1]]), Misfit::Twice(0, 1));
}

#[test]
fn a_label_reads_back_and_every_flipped_bit_is_noticed() {
    let roles = vec![
        Role::InSync,
        Role::Out { left: 3, since: None },
        Role::Out { left: 4, since: Some(17) },
        Role::Resilvering { since: 9 },
    ];
    let label = Label {
        kind: SetKind::Mirror,
        set: SET,
        generation: 5,
        member: 2,
        blocks: 77,
        stripe_blocks: 0,
        roles,
    };
    for slot in 0..2 {
        let mut bytes = label.encode(slot);
        assert_eq!(Label::decode(&bytes, slot), Ok(Some(label.clone())));
        assert_ne!(
            Label::decode(&bytes, 1 - slot),
            Ok(Some(label.clone())),
            "a slot's label is none in the other"
        );
        for bit in 0..512 * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(Label::decode(&bytes, slot), Ok(Some(_))), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn one_damaged_slot_of_a_label_loses_nothing() {
    let devices = memories(&[40, 40]);
    create(SetKind::Mirror, &devices);
    for slot in [0, 8] {
        let before = read_block(&*devices[0], slot);
        devices[0].write(Pba(slot), &block(1)).unwrap();
        assert!(reopen(&devices, false).is_ok());
        devices[0].write(Pba(slot), &before).unwrap();
    }
    Label::erase(&*devices[0]).unwrap();
    assert_eq!(reopen(&devices, true).err(), Some(Misfit::NoMember(0)));
}
