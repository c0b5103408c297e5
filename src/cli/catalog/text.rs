//! Text for people at any width of their terminal.

/// Columns of the terminal, as the shell says; 100 where it does not.
pub(super) fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(100).max(40)
}

/// `text` in lines of at most `width` characters, the first after `first`, the others after as many blanks. A longer word stands alone.
pub(super) fn wrapped(first: &str, text: &str, width: usize) -> String {
    let indent = first.chars().count();
    let (mut lines, mut line) = (Vec::new(), first.to_owned());
    let mut filled = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if filled > indent && filled + 1 + length > width {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            filled = indent;
        }
        if filled > indent {
            line.push(' ');
            filled += 1;
        }
        line.push_str(word);
        filled += length;
    }
    lines.push(line);
    lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Rows in columns that are as wide as their widest cell; the last one is wrapped.
pub(super) fn columns(rows: &[Vec<String>], width: usize) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..count.saturating_sub(1)).map(|column| widest(column).unwrap_or_default()).collect();
    let mut out = String::new();
    for row in rows {
        let Some((last, cells)) = row.split_last() else { continue };
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        let before = padded.collect::<String>();
        // Too narrow for columns: the last one goes below.
        if before.chars().count() + 16 > width {
            out += &wrapped("", &cells.join("  "), width);
            out += &wrapped("    ", last, width);
        } else {
            out += &wrapped(&before, last, width);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_broken_between_words_and_kept_below_its_beginning() {
        assert_eq!(wrapped("- ", "one two three", 9), "- one two\n  three\n");
        assert_eq!(wrapped("", "a-word-that-is-too-long b", 5), "a-word-that-is-too-long\nb\n");
    }

    #[test]
    fn columns_fit_the_terminal() {
        let rows = [
            vec!["a".to_owned(), "bb".to_owned(), "some words".to_owned()],
            vec!["aaa".into(), "b".into(), "x".into()],
        ];
        assert_eq!(columns(&rows, 80), "a    bb  some words\naaa  b   x\n");
        assert_eq!(columns(&rows, 20), "a bb\n    some words\naaa b\n    x\n");
    }
}
