//! What is known against what is.

use hinomi_model::RestartPolicy;

use super::*;

fn at(second: i64) -> Nanos {
    Nanos::from_secs(1_800_000_000 + second)
}

/// A container as inspected: status, start, end, exit code, restarts.
fn inspect(status: &str, started: i64, finished: i64, code: i32, restarts: u32) -> Inspect {
    let stamp =
        |second: i64| if second < 0 { "0001-01-01T00:00:00Z".to_owned() } else { at(second).rfc3339() };
    let alive = matches!(status, "running" | "paused");
    let json = serde_json::json!({
        "Id": "c1", "Name": "/web", "Created": stamp(1), "RestartCount": restarts,
        "State": {
            "Status": status, "Running": alive, "Pid": if alive { 42 } else { 0 }, "ExitCode": code,
            "StartedAt": stamp(started), "FinishedAt": stamp(finished), "Error": "",
        },
        "Config": {"Image": "bb", "Env": ["SECRET=never"]},
        "HostConfig": {"RestartPolicy": {"Name": "always"}},
    });
    serde_json::from_value(json).expect("an inspection")
}

fn view(phase: Life, started: i64) -> View {
    View {
        life: phase,
        started_at: (started >= 0).then(|| at(started)),
        restart_count: Some(0),
        ..View::default()
    }
}

fn words(found: &Differences) -> Vec<String> {
    let word = |said: &Said| match &said.fact {
        Fact::Phase(Phase::Running(run)) => format!("running:{}", run.pid),
        Fact::Phase(phase) => phase.word().to_owned(),
        Fact::Exit(exit) => format!("exit:{}", exit.code.unwrap_or(-1)),
        Fact::UnobservedRestarts(n) => format!("unobserved:{n}"),
        Fact::Stage(mark) => format!("{}:{:?}", mark.stage.title(), mark.outcome).to_lowercase(),
        fact => fact.attribute().to_owned(),
    };
    found.said.iter().map(word).collect()
}

#[test]
fn what_changed_meanwhile() {
    let around = Around { name: "web", now: at(100), rebooted: false };
    let was = |life, started| view(life, started);
    let (c, r, p, w, e) = (Life::Created, Life::Running, Life::Paused, Life::Restarting, Life::Exited);
    let started = "start:passed";
    let table: Vec<(View, Inspect, Vec<&str>, usize)> = vec![
        (was(r, 5), inspect("running", 5, -1, 0, 0), vec![], 0),
        (was(r, 5), inspect("exited", 5, 9, 3, 0), vec!["exit:3", "exited"], 0),
        (was(p, 5), inspect("exited", 5, 9, 137, 0), vec!["exit:137", "exited"], 0),
        (was(r, 5), inspect("restarting", 5, 9, 7, 1), vec!["exit:7", "restarting"], 0),
        (was(r, 5), inspect("running", 8, 7, 0, 0), vec!["unobserved:1", "running:42", started], 1),
        (was(r, 5), inspect("running", 8, 7, 0, 3), vec!["unobserved:3", "running:42", started], 1),
        (
            was(r, 5),
            inspect("exited", 8, 9, 2, 0),
            vec!["unobserved:1", "running:0", started, "exit:2", "exited"],
            1,
        ),
        (was(r, 5), inspect("paused", 5, -1, 0, 0), vec!["paused"], 0),
        (was(p, 5), inspect("running", 5, -1, 0, 0), vec!["unpaused"], 0),
        (was(p, 5), inspect("paused", 5, -1, 0, 0), vec![], 0),
        (was(c, -1), inspect("created", -1, -1, 0, 0), vec![], 0),
        (was(c, -1), inspect("running", 5, -1, 0, 0), vec!["running:42", started], 0),
        (was(c, -1), inspect("exited", 5, 6, 1, 0), vec!["running:0", started, "exit:1", "exited"], 0),
        (was(e, 5), inspect("exited", 5, 9, 3, 0), vec![], 0),
        (was(e, 5), inspect("running", 12, 9, 0, 0), vec!["running:42", started], 0),
        (was(e, 5), inspect("exited", 12, 14, 4, 0), vec!["running:0", started, "exit:4", "exited"], 0),
        (was(e, 5), inspect("dead", 5, 9, 3, 0), vec!["dead"], 0),
        (was(w, 5), inspect("running", 12, 9, 0, 1), vec!["running:42", started], 0),
        (was(w, 5), inspect("running", 12, 9, 0, 4), vec!["unobserved:3", "running:42", started], 1),
        (was(w, 5), inspect("exited", 5, 9, 3, 0), vec!["exited"], 0),
        (was(Life::Dead, 5), inspect("running", 5, -1, 0, 0), vec!["running:42", started], 0),
    ];
    for (was, now, want, lost) in table {
        let found = compare(&was, &now, around);
        assert_eq!(words(&found), want, "{was:?} -> {}", now.state.status);
        assert_eq!(found.lost.len(), lost, "{was:?} -> {}", now.state.status);
        assert_eq!(
            compare(&View::of(&now), &now, around),
            Differences::default(),
            "a second look finds nothing: {}",
            now.state.status
        );
    }
}

#[test]
fn an_event_stamp_a_little_later_than_the_engines_is_the_same_run() {
    let known = View { started_at: Some(Nanos(at(5).0 + 40_000_000)), ..view(Life::Running, 5) };
    assert!(known.is_same_run(Some(at(5))));
    assert!(!known.is_same_run(Some(at(6))));
    assert!(!view(Life::Created, -1).is_same_run(Some(at(5))));
}

#[test]
fn an_end_carries_its_own_time_and_a_reboot_says_that_255_is_a_placeholder() {
    let around = Around { name: "web", now: at(100), rebooted: true };
    let found = compare(&view(Life::Running, 5), &inspect("exited", 5, 9, 255, 0), around);
    assert!(found.said.iter().all(|said| said.at == at(9) && said.source == Source::Reconcile));
    assert!(found.said[0].reason.as_deref().is_some_and(|reason| reason.contains("rebooted")));
    let lost = compare(&view(Life::Running, 5), &inspect("running", 8, 7, 0, 0), around).lost;
    assert_eq!(lost, [format!("exit code of web (restarted {})", at(8).rfc3339())]);
}

#[test]
fn the_spec_comes_first_and_a_failed_start_says_its_class() {
    let mut now = inspect("created", -1, -1, 127, 0);
    let said = introduce(&now, true, Source::RuntimeEvent, at(1));
    let Fact::Spec(spec) = &said[0].fact else { panic!("spec first") };
    assert_eq!(spec.restart, RestartPolicy::Always);
    assert!(!format!("{said:?}").contains("never"));
    assert_eq!(start_failed(&now, at(2)), None);
    "exec: \"/x\": no such file or directory; --token abc".clone_into(&mut now.state.error);
    let said = start_failed(&now, at(2)).expect("an error text");
    assert_eq!(said[0].reason.as_deref(), Some("bad command"));
    let Fact::Exit(exit) = &said[1].fact else { panic!("exit second") };
    assert_eq!(exit.code, Some(127));
    assert!(
        exit.error.as_deref().is_some_and(|error| error.contains("[redacted]") && !error.contains("abc"))
    );
}
