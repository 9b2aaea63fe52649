//! `--man`: manual pages, with the version and its date.

use super::failure::UsageError;
use clap::Command;
use clap_mangen::Man;

/// What has changed, by versions, with the newest first.
const CHANGELOG: &str = include_str!("../../CHANGELOG.md");

/// The page of the whole (`name` is empty), or of one of its commands.
///
/// # Errors
/// There is no such command.
pub fn page(whole: &Command, name: &str) -> Result<Man, UsageError> {
    let (command, title) = match name {
        "" => (whole.clone(), "heapwood".to_owned()),
        _ => {
            let found = whole.get_subcommands().find(|command| command.get_name() == name);
            let command = found.ok_or_else(|| UsageError::new(format!("--man={name}: there is no such command")))?;
            let title = format!("heapwood-{name}");
            (command.clone().bin_name(format!("heapwood {name}")).display_name(title.clone()), title)
        }
    };
    let version = env!("CARGO_PKG_VERSION");
    let source = format!("heapwood {version}");
    Ok(Man::new(command.version(version)).title(title).source(source).date(date(CHANGELOG)).manual("Heapwood"))
}

/// The date of the newest version: of its heading, `## [1.0.0] - 2026-01-31`.
fn date(changelog: &str) -> String {
    let headings = changelog.lines().filter_map(|line| line.strip_prefix("## "));
    let newest = headings.filter_map(|heading| heading.split_once(" - ")).map(|(_, date)| date).next();
    newest.unwrap_or("unreleased").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn every_command_has_a_page_with_its_name_version_and_options() {
        let whole = Cli::command();
        let names: Vec<_> = whole.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        for name in names.iter().map(String::as_str).chain([""]) {
            let mut text = Vec::new();
            page(&whole, name).expect("a page").render(&mut text).expect("written");
            let text = String::from_utf8(text).expect("UTF-8");
            let title = if name.is_empty() { "heapwood".to_owned() } else { format!("heapwood\\-{name}") };
            for part in [title.as_str(), env!("CARGO_PKG_VERSION"), &date(CHANGELOG), "OPTIONS"] {
                assert!(text.contains(part), "{name}: no `{part}` in\n{text}");
            }
        }
        assert!(page(&whole, "nothing").is_err());
    }

    #[test]
    fn the_date_is_that_of_the_newest_version() {
        assert_eq!(date("# C\n## Unreleased\n## [0.2.0] - 2027-02-03\n## [0.1.0] - 2026-12-01\n"), "2027-02-03");
        assert_eq!(date("# C\n## Unreleased\n"), "unreleased");
    }
}
