//! Tables of the day of levels: what is fed, and what each cell says.

use super::*;

const MINUTE: i64 = 60;
/// A begin of a cell.
const BEGIN: i64 = 1_800_000_000;

fn at(minutes: i64) -> Nanos {
    Nanos::from_secs(BEGIN + minutes * MINUTE)
}

/// The last cells of a plane, one letter each.
fn row(heat: &Heat, plane: Plane, minutes: i64, last: usize) -> String {
    let (from, cells) = heat.day(plane, at(minutes));
    assert_eq!(cells.len(), CELLS_MAX);
    assert!(from <= at(minutes));
    let letter = |cell: &Cell| match cell {
        Cell::Quiet => '.',
        Cell::Unseen => '?',
        Cell::None => 'n',
        Cell::Notice => 'N',
        Cell::Alert => 'A',
    };
    cells.iter().skip(CELLS_MAX - last).map(letter).collect()
}

/// Signs of life each minute.
fn live(heat: &mut Heat, minutes: std::ops::RangeInclusive<i64>) {
    for minute in minutes {
        heat.pass(at(minute));
    }
}

#[test]
fn the_loudest_of_each_cell_stands() {
    use Level::{Alert, Notice};
    /// Minute, subject and level from then on.
    type Step = (i64, &'static str, Option<Level>);
    let table: [(&str, &[Step], i64, &str); 7] = [
        ("nothing ever wrong", &[], 40, "??..."),
        ("an alert inside of one cell", &[(16, "a", Some(Alert)), (18, "a", None)], 40, "??.A."),
        ("a notice over a border", &[(14, "a", Some(Notice)), (16, "a", None)], 40, "??NN."),
        ("it still goes on", &[(16, "a", Some(Alert))], 40, "??.AA"),
        ("two at once", &[(1, "a", Some(Notice)), (16, "b", Some(Alert)), (17, "b", None)], 40, "??NAN"),
        ("healed by itself", &[(31, "a", Some(Level::None)), (32, "a", None)], 40, "??..n"),
        ("louder, then quieter", &[(1, "a", Some(Alert)), (2, "a", Some(Notice))], 40, "??ANN"),
    ];
    let mut failures = Vec::new();
    for (name, steps, end, want) in table {
        let mut heat = Heat::default();
        for minute in 0..=end {
            heat.pass(at(minute));
            for (_, subject, level) in steps.iter().filter(|(when, ..)| *when == minute) {
                heat.note(subject, level.map(|level| (Plane::Container, level)), at(minute));
            }
        }
        let got = row(&heat, Plane::Container, end, 5);
        if got != want {
            failures.push(format!("{name}: {got}, not {want}"));
        }
        assert_eq!(row(&heat, Plane::Control, end, 5), "??...", "{name}: the other planes are quiet");
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn what_nobody_saw_is_unseen() {
    let mut heat = Heat::default();
    live(&mut heat, 0..=31);
    heat.note("a", Some((Plane::Container, Level::Notice)), at(31));
    // Dead from here to minute 80; the notice is not known to have lasted, the one after is.
    heat.pass(at(80));
    assert_eq!(row(&heat, Plane::Container, 80, 6), "..N??N");
    assert_eq!(row(&heat, Plane::Data, 80, 6), "..????");
    // A gap that is reported later, and a runtime that is away.
    heat.note("a", None, at(81));
    live(&mut heat, 82..=100);
    heat.see(false, at(100));
    live(&mut heat, 101..=125);
    heat.see(true, at(125));
    live(&mut heat, 126..=140);
    assert_eq!(row(&heat, Plane::Container, 140, 4), "???.");
    assert_eq!(row(&heat, Plane::Control, 140, 4), "....");
    heat.unseen(&[Plane::Control], at(107), at(108));
    assert_eq!(row(&heat, Plane::Control, 140, 4), ".?..");
    heat.unseen(&Plane::ALL, at(-10_000), at(1));
    assert_eq!(row(&heat, Plane::Control, 140, CELLS_MAX).matches('?').count(), CELLS_MAX - 4);
}

#[test]
fn a_day_is_kept_and_a_checkpoint_changes_nothing() -> Result<(), serde_json::Error> {
    let mut heat = Heat::default();
    live(&mut heat, 0..=3);
    heat.note("a", Some((Plane::Control, Level::Alert)), at(3));
    heat.note("a", None, at(4));
    live(&mut heat, 5..=30 * 60);
    assert_eq!(row(&heat, Plane::Control, 30 * 60, CELLS_MAX), ".".repeat(CELLS_MAX), "older than a day");
    let again: Heat = serde_json::from_slice(&serde_json::to_vec(&heat)?)?;
    assert_eq!(again, heat);
    // A clock that jumps far ahead costs nothing.
    heat.pass(Nanos(i64::MAX / 2));
    assert!(heat.rows.values().all(|row| row.cells.len() <= CELLS_MAX));
    Ok(())
}

#[test]
fn a_checkpoint_of_an_older_version_begins_unseen() -> Result<(), serde_json::Error> {
    let mut old = serde_json::to_value(crate::Snapshot::default())?;
    for field in ["heat", "endings"] {
        old.as_object_mut().and_then(|fields| fields.remove(field)).unwrap_or_default();
    }
    let timeline = old["timeline"].as_object_mut();
    timeline
        .into_iter()
        .for_each(|fields| fields.retain(|name, _| name != "happenings" && name != "revisions"));
    let mut judge = crate::Judge::default();
    judge.restore(serde_json::from_value(old)?);
    judge.begin(at(20));
    assert_eq!(row(judge.heat(), Plane::Control, 21, 3), "??.", "what lay before is not known");
    Ok(())
}
