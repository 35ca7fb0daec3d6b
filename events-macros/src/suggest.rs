//! "Did you mean": the nearest of the known words.

/// The word of `known` that `given` most likely stands for.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (distance(given, word), word))
        .filter(|(distance, word)| *distance <= (word.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    rows[0] = (0..=to.len()).collect();
    for i in 1..=from.len() {
        rows[i][0] = i;
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn counts_single_letter_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("queue", "queue"), 0);
        assert_eq!(distance("qeue", "queue"), 1);
        assert_eq!(distance("queueu", "queue"), 1);
        assert_eq!(distance("quuee", "queue"), 1, "a swap is one edit");
    }

    #[test]
    fn finds_the_nearest_word_and_keeps_silent_about_far_ones() {
        let known = ["priority", "queue", "unique", "unique_for"];
        assert_eq!(nearest("prioritty", known), Some("priority"));
        assert_eq!(nearest("uniqe", known), Some("unique"));
        assert_eq!(nearest("unique_fro", known), Some("unique_for"));
        assert_eq!(nearest("color", known), None);
    }
}
