//! Stories of witnesses: what they say, in which order, and what has to come out.

use super::*;

const MS: i64 = 1_000_000;
const ID: &str = "c1";

fn seen(at_ms: i64, pid: u32) -> Seen {
    Seen { at: at_ms * MS, witness: OomWitness::Tracefs, victim: Victim { pid, ..Victim::default() } }
}

fn kills(kills: u64) -> Counts {
    Counts { kills, groups: 0 }
}

fn merger(victims_seen: bool) -> Merger {
    let mut merger = Merger::new(victims_seen);
    for key in [1, 2] {
        let id = if key == 1 { ID } else { "c2" };
        assert!(merger.watch(0, key, (id, 10), kills(0), Arbiter::Counts(kills(0))).is_empty());
    }
    merger
}

fn shape(incidents: &[Incident]) -> Vec<(Key, Option<u32>, Option<u64>)> {
    incidents.iter().map(|i| (i.key, i.seen.as_ref().map(|seen| seen.victim.pid), i.kills)).collect()
}

#[test]
fn a_victim_leaves_at_once_and_its_count_adds_nothing() {
    let mut merger = merger(true);
    merger.counted(MS, 1, kills(0));
    let out = merger.victim(2 * MS, 1, seen(2, 50), Arbiter::Counts(kills(1)));
    assert_eq!(shape(out.as_slice()), [(1, Some(50), Some(1))]);
    merger.counted(12 * MS, 1, kills(1));
    for at in [12, 200, 9000] {
        assert!(merger.resolve(at * MS).is_empty());
    }
    assert_eq!(merger.deadline(), None);
}

#[test]
fn a_count_before_its_victim_waits_for_it_but_not_for_ever() {
    let mut merger = merger(true);
    merger.counted(0, 1, kills(1));
    assert!(merger.resolve(0).is_empty());
    assert_eq!(merger.deadline(), Some(100 * MS));
    let out = merger.victim(50 * MS, 1, seen(50, 7), Arbiter::Counts(kills(1)));
    assert_eq!(shape(out.as_slice()), [(1, Some(7), Some(1))]);
    merger.counted(500 * MS, 1, kills(2));
    assert!(merger.resolve(599 * MS).is_empty());
    assert_eq!(shape(&merger.resolve(600 * MS)), [(1, None, Some(2))]);
    assert!(merger.resolve(900 * MS).is_empty());
    // The victim that comes too late is the same incident.
    assert_eq!(merger.victim(650 * MS, 1, seen(650, 8), Arbiter::Counts(kills(2))), None);
    assert!(merger.resolve(2000 * MS).is_empty());
    assert_eq!(merger.denied, 1);
}

#[test]
fn without_victim_sources_a_count_leaves_at_once() {
    let mut merger = merger(false);
    merger.counted(0, 1, kills(3));
    assert_eq!(shape(&merger.resolve(0)), [(1, None, Some(1)), (1, None, Some(2)), (1, None, Some(3))]);
}

#[test]
fn a_storm_is_as_many_incidents_as_kills() {
    let mut merger = merger(true);
    let mut out = Vec::new();
    for n in 1..=60_u32 {
        let at = i64::from(n) * 16;
        out.extend(merger.victim(at * MS, 1, seen(at, n), Arbiter::Counts(kills(u64::from(n)))));
        out.extend(merger.resolve(at * MS));
    }
    assert_eq!(out.len(), 60);
    // Coalesced: three kills were counted before the first victim was read.
    let late: Vec<_> = (61..=63_u32)
        .filter_map(|n| merger.victim(2000 * MS, 1, seen(2000, n), Arbiter::Counts(kills(63))))
        .collect();
    assert_eq!(late.len(), 3);
    assert!(merger.resolve(9000 * MS).is_empty());
}

#[test]
fn a_group_kill_is_one_incident_whenever_the_group_is_counted() {
    // Three processes: four kills, one group; the victim is marked twice.
    let group = |kills, groups| Arbiter::Counts(Counts { kills, groups });
    for first in [group(1, 0), group(1, 1), group(4, 1)] {
        let mut merger = merger(true);
        let mut out: Vec<_> = merger.victim(MS, 1, seen(1, 5), first).into_iter().collect();
        for (at, pid) in [(2, 5), (3, 6), (4, 7)] {
            out.extend(merger.victim(at * MS, 1, seen(at, pid), group(4, 1)));
        }
        merger.counted(30 * MS, 1, Counts { kills: 4, groups: 1 });
        out.extend(merger.resolve(30 * MS));
        out.extend(merger.resolve(9000 * MS));
        assert_eq!(out.len(), 1, "{first:?}: {out:?}");
    }
    let mut merger = merger(false);
    let mut out = Vec::new();
    for (at, kills, groups) in [(1, 1, 0), (12, 3, 1), (23, 4, 1)] {
        merger.counted(at * MS, 1, Counts { kills, groups });
        out.extend(merger.resolve(at * MS));
    }
    assert_eq!(out.len(), 1, "{out:?}");
}

#[test]
fn two_group_kills_in_two_seconds_are_two() {
    let mut merger = merger(false);
    for (at, groups) in [(1000, 1), (2000, 2)] {
        merger.counted(at * MS, 1, Counts { kills: groups * 4, groups });
        assert_eq!(merger.resolve(at * MS).len(), 1);
    }
}

#[test]
fn further_threads_of_a_victim_are_no_incident() {
    let mut merger = merger(true);
    assert!(merger.victim(MS, 1, seen(1, 5), Arbiter::Counts(kills(1))).is_some());
    assert!(merger.victim(2 * MS, 1, seen(2, 6), Arbiter::Counts(kills(1))).is_none());
    assert!(merger.resolve(150 * MS).is_empty());
    assert_eq!(merger.denied, 1);
}

#[test]
fn a_victim_before_its_count_waits_for_the_count() {
    let mut merger = merger(true);
    assert!(merger.victim(MS, 1, seen(1, 5), Arbiter::Counts(kills(0))).is_none());
    merger.counted(11 * MS, 1, kills(1));
    assert_eq!(shape(&merger.resolve(11 * MS)), [(1, Some(5), Some(1))]);
}

#[test]
fn a_vanished_cgroup_still_has_its_victim() {
    let mut merger = merger(true);
    let out = merger.victim(MS, 1, seen(1, 5), Arbiter::Unreadable);
    assert_eq!(shape(out.as_slice()), [(1, Some(5), None)]);
    assert!(merger.victim(2 * MS, 1, seen(2, 6), Arbiter::Unreadable).is_none());
    let later = merger.victim(1000 * MS, 1, seen(1000, 7), Arbiter::Unreadable);
    assert_eq!(shape(later.as_slice()), [(1, Some(7), None)]);
}

#[test]
fn a_pathless_victim_goes_to_the_only_count_that_rose() {
    let mut one = merger(true);
    one.stranger(seen(1, 5), None);
    assert!(one.resolve(MS).is_empty());
    one.counted(11 * MS, 2, kills(1));
    assert_eq!(shape(&one.resolve(11 * MS)), [(2, Some(5), Some(1))]);
    // Two counts rose: nobody knows whose it is, so nobody gets it.
    let mut two = merger(true);
    two.stranger(seen(1, 5), None);
    two.counted(2 * MS, 1, kills(1));
    two.counted(2 * MS, 2, kills(1));
    assert!(two.resolve(2 * MS).is_empty());
    assert_eq!(shape(&two.resolve(102 * MS)), [(1, None, Some(1)), (2, None, Some(1))]);
    // Too far away in time.
    let mut far = merger(true);
    far.stranger(seen(1, 5), None);
    far.counted(400 * MS, 1, kills(1));
    assert!(far.resolve(400 * MS).is_empty());
    assert_eq!(shape(&far.resolve(500 * MS)), [(1, None, Some(1))]);
}

#[test]
fn victims_wait_five_seconds_for_their_watch() {
    let mut merger = merger(true);
    merger.stranger(seen(0, 5), Some(vec!["new".to_owned()]));
    merger.stranger(seen(0, 6), None);
    merger.stranger(seen(0, 7), Some(Vec::new()));
    assert_eq!((merger.elsewhere, merger.held()), (1, 2));
    let out = merger.watch(4000 * MS, 3, ("new", 9), kills(0), Arbiter::Counts(kills(1)));
    assert_eq!(shape(&out), [(3, Some(5), Some(1))]);
    let out = merger.watch(4000 * MS, 4, ("other", 6), kills(0), Arbiter::Unreadable);
    assert_eq!(shape(&out), [(4, Some(6), None)]);
    merger.stranger(seen(4000, 8), None);
    assert!(merger.resolve(9001 * MS).is_empty());
    assert_eq!((merger.elsewhere, merger.held()), (2, 0));
}

#[test]
fn the_last_word_of_a_run_is_reported_and_then_it_is_forgotten() {
    let mut merger = merger(true);
    merger.leave(MS, 1, Some(kills(1)));
    assert_eq!(shape(&merger.resolve(MS)), [(1, None, Some(1))]);
    assert!(merger.victim(20 * MS, 1, seen(20, 5), Arbiter::Unreadable).is_none(), "the same incident");
    assert!(merger.forget(5000 * MS).is_empty());
    assert_eq!(merger.forget(5002 * MS), [1]);
    assert!(merger.victim(5003 * MS, 1, seen(5003, 5), Arbiter::Unreadable).is_none());
}

#[test]
fn what_is_held_is_bounded() {
    let mut merger = merger(true);
    for pid in 0..1000 {
        merger.stranger(seen(0, pid), None);
        merger.victim(0, 1, seen(0, pid), Arbiter::Counts(kills(0)));
    }
    assert_eq!(merger.held(), HELD_LIMIT);
    assert_eq!(merger.elsewhere, 1000 - HELD_LIMIT as u64);
    assert_eq!(merger.denied, 1000 - HELD_LIMIT as u64);
}
