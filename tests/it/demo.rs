//! `demo`, as a newcomer runs it: the whole story, playing on, and an interrupt, with nothing left behind.

use crate::workspace::PROVIDER;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use terraform_provider_m365::cli::terraform::find;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A copy of the binary in a folder of its own, which tells its processes from all others, and a folder for what it leaves.
struct Home {
    folder: tempfile::TempDir,
    cli: PathBuf,
}

impl Home {
    fn new(cli: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        std::fs::copy(PROVIDER, folder.path().join("terraform-provider-m365")).unwrap();
        Self { folder, cli: cli.to_owned() }
    }

    fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    fn demo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.folder.path().join("terraform-provider-m365"));
        command.arg("demo").args(arguments).env("M365_CLI", &self.cli).env("TMPDIR", self.temporary());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn assert_nothing_left(&self) {
        let left: Vec<_> = std::fs::read_dir(self.temporary()).unwrap().map(|one| one.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
        let listed = Command::new("ps").args(["-A", "-o", "args="]).output().await.unwrap();
        let here = self.folder.path().to_str().unwrap();
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let running: Vec<_> = text.lines().filter(|line| line.contains(here)).collect();
        assert!(running.is_empty(), "{running:?}");
    }
}

struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Running {
    fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut child = home.demo(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, seen: Vec::new() }
    }

    async fn until(&mut self, part: &str) {
        let found = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.seen.push(line);
                if self.seen.last().unwrap().contains(part) {
                    return true;
                }
            }
            false
        };
        let found = tokio::time::timeout(Duration::from_secs(120), found).await;
        assert!(found == Ok(true), "\"{part}\" did not come:\n{}", self.seen.join("\n"));
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
    }

    /// Whether it ended well, and what it said on standard error.
    async fn end(mut self) -> (bool, String) {
        let ended = async {
            // Read to the end, so that nothing waits for a full pipe.
            while self.lines.next_line().await.unwrap().is_some() {}
            let mut said = String::new();
            self.child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
            (self.child.wait().await.unwrap().success(), said)
        };
        tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the demo does not end")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_is_told_to_its_end_and_nothing_is_left() {
    for cli in find().unwrap() {
        let home = Home::new(&cli);
        let told = home.demo(&[]).output().await.unwrap();
        let text = String::from_utf8(told.stdout).unwrap();
        assert!(told.status.success(), "{text}{}", String::from_utf8_lossy(&told.stderr));
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("\"{part}\" is missing:\n{text}"));
        let in_order = [
            "1/8  ",
            "+ \"windows_defender_atp/application/Machine.Read.All\",",
            "Plan: 17 to add, 0 to change, 0 to destroy.",
            "✓ threatdefence-graph                 13 of 13  13 of 13",
            "No changes.",
            "Three weeks later",
            "✗ md-eco-m365-defender                7 of 7    6 of 7",
            "✗ microsoft_graph/application/Mail.Read               was granted",
            "- \"microsoft_graph/application/Mail.Read\",",
            "- \"https://securends.example.attacker.test/callback\",",
            "Plan: 0 to add, 2 to change, 0 to destroy.",
            "Apply: repaired",
            "8/8  ",
            "✓ Defense.com's own application       1 of 1    1 of 1",
            "Done in ",
        ];
        let places: Vec<_> = in_order.iter().map(|part| at(part)).collect();
        // Parts that come more than once are found where they first are.
        assert!(places.is_sorted(), "{in_order:?} {places:?}\n{text}");
        assert!(!text.contains('\u{1b}'), "colours are for terminals");
        home.assert_nothing_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_cli_and_takes_everything_away() {
    for cli in find().unwrap() {
        for (step, name) in [("2/8", "-INT"), ("3/8", "-INT"), ("6/8", "-TERM")] {
            let home = Home::new(&cli);
            let mut demo = Running::start(&home, &[]);
            demo.until(step).await;
            demo.signal(name).await;
            let (success, said) = demo.end().await;
            assert!(!success && said.contains("interrupted"), "{step}: {said}");
            home.assert_nothing_left().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_can_be_played_with_as_it_says_until_the_interrupt() {
    for cli in find().unwrap() {
        let home = Home::new(&cli);
        let mut demo = Running::start(&home, &["--keep"]);
        demo.until("curl ").await;
        assert!(!demo.seen.iter().any(|line| line.contains("8/8")), "what is kept is not destroyed");
        let command = |start: &str| {
            let line = demo.seen.iter().find(|line| line.trim_start().starts_with(start));
            line.unwrap_or_else(|| panic!("{start} is missing:\n{}", demo.seen.join("\n"))).trim().to_owned()
        };
        let plan = demo.seen.iter().find(|line| line.ends_with("' plan")).unwrap();
        let script =
            format!("{}\n{}\n{} -detailed-exitcode -input=false", command("cd "), command("export "), plan.trim());
        let planned = Command::new("sh").args(["-c", &script]).output().await.unwrap();
        assert_eq!(planned.status.code(), Some(0), "{script}\n{}", String::from_utf8_lossy(&planned.stdout));
        let url = command("curl ").trim_start_matches("curl ").to_owned();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let apps: serde_json::Value = http.get(url).send().await.unwrap().json().await.unwrap();
        assert!(
            apps["value"].as_array().unwrap().iter().any(|app| app["uniqueName"] == "securends-office365"),
            "{apps}"
        );
        demo.signal("-INT").await;
        let (success, said) = demo.end().await;
        assert!(success, "{said}");
        home.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn without_a_cli_it_says_how_to_get_one() {
    let empty = tempfile::tempdir().unwrap();
    for (cli, expected) in [("", "Install OpenTofu"), ("no-such-cli", "names `no-such-cli`")] {
        let demo =
            Command::new(PROVIDER).arg("demo").env("M365_CLI", cli).env("PATH", empty.path()).output().await.unwrap();
        let said = String::from_utf8_lossy(&demo.stderr).into_owned();
        assert!(!demo.status.success() && said.contains(expected), "{said}");
    }
}
