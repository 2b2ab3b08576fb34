//! Tables for the parsers: real lines of several kernels, and hostile ones.

use proptest::prelude::*;

use super::*;

const FORMAT_6: &str = "name: mark_victim\nID: 609\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\tfield:int pid;\toffset:8;\tsize:4;\tsigned:1;\n\tfield:__data_loc char[] comm;\toffset:12;\tsize:4;\tsigned:0;\n\tfield:unsigned long total_vm;\toffset:16;\tsize:8;\tsigned:0;\n\tfield:unsigned long anon_rss;\toffset:24;\tsize:8;\tsigned:0;\n";
const FORMAT_4: &str = "name: mark_victim\nID: 500\nformat:\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\tfield:int pid;\toffset:8;\tsize:4;\tsigned:1;\n\nprint fmt: \"pid=%d\", REC->pid\n";
const ALL: Fields = Fields { pid: true, comm: true, rss: true };

#[test]
fn fields_by_format() {
    assert_eq!(fields(FORMAT_6), ALL);
    assert_eq!(fields(FORMAT_4), Fields { pid: true, comm: false, rss: false });
    assert_eq!(fields("\tfield:int common_pid;\toffset:4;"), Fields::default());
}

type Shape = (u32, Option<String>, Option<u64>, Option<u64>);

fn victim(line: &str, fields: Fields) -> Option<Shape> {
    match trace_line(line, fields)? {
        TraceLine::Victim(v) => Some((v.pid, v.comm, v.rss_kib, v.stamp_us)),
        TraceLine::Lost(_) => None,
    }
}

#[test]
fn trace_lines() {
    let real = "           tail-23850   [001] ...1.  6965.691703: mark_victim: pid=23850 comm=tail total-vm=22216kB anon-rss=20096kB file-rss:1264kB shmem-rss:4kB uid=0 pgtables=80kB oom_score_adj=0";
    let stamp = Some(6_965_691_703);
    assert_eq!(victim(real, ALL), Some((23850, Some("tail".into()), Some(21364), stamp)));
    let old = "  <...>-7 [000] .... 1.000002: mark_victim: pid=7";
    assert_eq!(victim(old, fields(FORMAT_4)), Some((7, None, None, Some(1_000_002))));
    // The name holds another field's name: the last one counts.
    let sly = "x-9 [000] ...1. 1.000000: mark_victim: pid=9 comm=a total-vm=1 total-vm=8kB anon-rss=5kB file-rss:0kB";
    assert_eq!(victim(sly, ALL).map(|v| (v.1, v.2)), Some((Some("a total-vm=1".into()), Some(5))));
    // The current task's name looks like the event.
    let mask = "mark_victim: pi-9 [000] ...1. 1.000000: mark_victim: pid=3 comm=b total-vm=8kB anon-rss=5kB";
    assert_eq!(victim(mask, ALL).map(|v| v.0), Some(3));
    // A name with a line end: its first half.
    assert_eq!(
        victim("x-9 [000] . 1.000000: mark_victim: pid=4 comm=ab", ALL).map(|v| v.1),
        Some(Some("ab".into()))
    );
    assert_eq!(trace_line("CPU:1 [LOST 1234 EVENTS]", ALL), Some(TraceLine::Lost(1234)));
    for garbage in
        ["", "mark_victim: pid=", "mark_victim: pid=-1 comm=x", "mark_victim: pid=0", "[LOST x EVENTS]", "é"]
    {
        assert_eq!(trace_line(garbage, ALL), None, "{garbage:?}");
    }
}

#[test]
fn log_records() {
    let chosen = "6,5783,6965691606,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=059a,mems_allowed=0,oom_memcg=/hintest/059a,task_memcg=/hintest/059a/in,task=a,pid=1,b,pid=23850,uid=0\n SUBSYSTEM=x\n";
    assert_eq!(
        log_record(chosen),
        Some(LogRecord::Chosen { pid: 23850, cgroup: "/hintest/059a/in".to_owned() })
    );
    let killed = "3,5784,6965692327,-;Memory cgroup out of memory: Killed process 23850 (a) b (c) total-vm:22216kB, anon-rss:20096kB, file-rss:1264kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0";
    let expected = Victim {
        pid: 23850,
        comm: Some("a) b (c".to_owned()),
        rss_kib: Some(21360),
        stamp_us: Some(6_965_692_327),
    };
    assert_eq!(log_record(killed), Some(LogRecord::Killed(expected)));
    let global = "3,1,2,-;Out of memory: Killed process 5 (x) total-vm:1kB, anon-rss:2kB";
    assert!(matches!(log_record(global), Some(LogRecord::Killed(Victim { pid: 5, rss_kib: Some(2), .. }))));
    // User space (facility 1) forges a kill.
    assert_eq!(log_record(&killed.replacen("3,", "11,", 1)), None);
    for garbage in [
        "",
        ";",
        "3,1,2,-;",
        "3,1,2,-;oom-kill:",
        "3,1,2,-;Out of memory: Killed process x (y)",
        "6,1;oom-kill:",
    ] {
        assert_eq!(log_record(garbage), None, "{garbage:?}");
    }
}

#[test]
fn memberships() {
    let id = "ab".repeat(32);
    let hybrid = format!("9:name=systemd:/\n4:memory:/docker/{id}\n0::/\n");
    assert_eq!(
        membership(&hybrid),
        Some(Membership::V1 { controllers: "memory".into(), path: format!("/docker/{id}") })
    );
    let joined = "3:hugetlb,memory:/a:b\n";
    assert_eq!(
        membership(joined),
        Some(Membership::V1 { controllers: "hugetlb,memory".into(), path: "/a:b".into() })
    );
    let second = format!("0::/system.slice/docker-{id}.scope (deleted)\n");
    let path = format!("/system.slice/docker-{id}.scope");
    assert_eq!(membership(&second), Some(Membership::V2 { path }));
    assert_eq!(membership("1:cpu:/\nrubbish\n"), None);
}

#[test]
fn ids_in_paths() {
    let (outer, inner) = ("0a".repeat(32), "1b".repeat(32));
    let cases = [
        (format!("/docker/{outer}"), vec![outer.clone()]),
        (format!("/system.slice/docker-{outer}.scope/init"), vec![outer.clone()]),
        (format!("/docker/{outer}/docker/{inner}"), vec![inner.clone(), outer.clone()]),
        (format!("/kubepods.slice/kubepods-pod12ab.slice/cri-containerd-{inner}.scope"), vec![inner]),
        (format!("/docker/{outer}0"), vec![]),
        ("/system.slice/ssh.service".to_owned(), vec![]),
    ];
    for (path, expected) in cases {
        assert_eq!(container_ids(&path), expected, "{path}");
    }
}

#[test]
fn counters() {
    let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    assert_eq!(counts(v1), Some(Counts { kills: 3, groups: 0 }));
    let v2 = "low 0\nhigh 0\nmax 35\noom 1\noom_kill 4\noom_group_kill 1\n";
    assert_eq!(counts(v2), Some(Counts { kills: 4, groups: 1 }));
    assert_eq!(counts("oom_kill_disable 0\nunder_oom 0\n"), None);
}

#[test]
fn start_behind_a_sly_name() {
    let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1 1";
    assert_eq!(start_ticks(stat), Some(4711));
    assert_eq!(start_ticks("7 (a"), None);
}

proptest! {
    #[test]
    fn nothing_panics(text in ".{0,300}", key in prop::sample::select(vec![
        "", "mark_victim: pid=", "3,1,2,-;oom-kill:", "3,1,2,-;Out of memory: Killed process ", "4:memory:", "7 (",
    ])) {
        let text = format!("{key}{text}");
        let _ = (trace_line(&text, ALL), log_record(&text), membership(&text), counts(&text), start_ticks(&text));
        let _ = (fields(&text), container_ids(&text));
    }
}
