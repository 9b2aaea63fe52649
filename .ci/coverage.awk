# Compares llvm-cov's counts with `.ci/uncovered`. Arguments: that list, and the counts in the form of lcov.
#
# What counts: each line that llvm-cov counts, but for tests: files named tests.rs, and items under `#[cfg(test)]`.
# A line that was not covered needs a row in the list, unless it is
#   1. no more than brackets: the tool counts some that nothing runs;
#   2. of a `panic!` or an `unreachable!`, or of an assertion's message: what happens only if Heapwood has a bug.
# A row fails where it is not needed: nothing that it names is uncovered, or of its function some lines are covered.

function trimmed(text) {
    gsub(/^ +| +$/, "", text)
    return text
}

function fail(message) {
    print message
    failed = 1
}

# A line of the list: `file | text or function | key: words`, or `key  meaning`.
function read_list(line,    parts, count, file, reason, text) {
    if (line ~ /^#/ || line ~ /^ *$/) return
    count = split(line, parts, " [|] ")
    if (count < 3) {
        sub(/ .*/, "", line)
        meanings[line] = 1
        return
    }
    file = parts[1]
    reason = parts[count]
    text = substr(line, length(file) + 4, length(line) - length(file) - length(reason) - 6)
    rows[file, text] = reason
    sub(/:.*/, "", reason)
    if (!(reason in meanings)) fail(".ci/uncovered: `" reason "` is not a reason: " line)
    if (reason == "sometimes") needed[file, text] = 1
}

function indent_of(text) {
    match(text, /^ */)
    return RLENGTH
}

# The last line of the item that begins at `first`: the first one that closes with its indent.
function end_of_item(first,    at, indent) {
    indent = indent_of(source[first])
    for (at = first; at <= lines; at++) {
        if (source[at] ~ /[;}]$/ && indent_of(source[at]) == indent) return at
    }
    return lines
}

# The last line of the macro call that begins at `first`.
function end_of_call(first,    at, text, depth) {
    for (at = first; at <= lines; at++) {
        text = source[at]
        if (at == first) sub(/^.*(panic|unreachable|assert(_eq|_ne)?)!/, "", text)
        depth += gsub(/[(]/, "", text) - gsub(/[)]/, "", text)
        if (depth <= 0) return at
    }
    return lines
}

# Reads a source file: which lines are tests, which are only reached by a bug, and the function that each is in.
function read_source(file,    at, line, last, name, count) {
    delete source; delete is_test; delete is_bug; delete function_of
    lines = 0
    while ((getline line < file) > 0) source[++lines] = line
    close(file)
    for (at = 1; at <= lines; at++) {
        line = source[at]
        if (line ~ /^ *#\[cfg\(test\)\]/) {
            last = end_of_item(at + 1)
            for (count = at; count <= last; count++) is_test[count] = 1
        }
        if (line ~ /(panic|unreachable)!\(/) is_bug[at] = 1
        if (line ~ /(panic|unreachable|assert(_eq|_ne)?)!\(/) {
            last = end_of_call(at)
            for (count = at + 1; count <= last; count++) is_bug[count] = 1
        }
        if (line ~ /^ *(pub(\([a-z]+\))? )?(const )?(unsafe )?(extern "[A-Za-z0-9-]+" )?fn /) {
            name = line
            sub(/^.*fn /, "", name)
            sub(/[^A-Za-z0-9_].*$/, "", name)
            last = end_of_item(at)
            for (count = at; count <= last; count++) function_of[count] = "fn " name
        }
    }
}

function folder_of(file,    names, count, at) {
    count = split(folders, names, " ")
    for (at = 1; at <= count; at++) {
        if (index(file, names[at] "/") == 1) return names[at]
    }
    return ""
}

function judge(file,    folder, at, text, name) {
    folder = folder_of(file)
    if (folder == "" || file ~ /\/tests(\.rs|\/)/) return
    read_source(file)
    for (at = 1; at <= lines; at++) {
        if (!((file, at) in counts) || at in is_test) continue
        all[folder]++
        name = function_of[at]
        if (counts[file, at]) {
            covered[folder]++
            if ((file, name) in rows && rows[file, name] !~ /^sometimes/) in_part[file, name] = 1
            continue
        }
        text = trimmed(source[at])
        print file ":" at ": " text > uncovered
        if (text !~ /[A-Za-z0-9_]/ || text ~ /^[^A-Za-z0-9_]*else[^A-Za-z0-9_]*$/ || at in is_bug) {
            by_rule[folder]++
        } else if ((file, name) in rows) {
            needed[file, name] = 1
            by_row[folder]++
        } else if ((file, text) in rows) {
            needed[file, text] = 1
            by_row[folder]++
        } else {
            fail(file ":" at ": not covered, and not in .ci/uncovered: " text)
        }
    }
}

FILENAME == ARGV[1] { read_list($0); next }
/^SF:/ { file = substr($0, 4); sub("^" root, "", file); files[file] = 1 }
/^DA:/ { split(substr($0, 4), pair, ","); counts[file, pair[1] + 0] += (pair[2] > 0) }

END {
    for (file in files) judge(file)
    for (row in rows) {
        split(row, parts, SUBSEP)
        if (row in in_part) fail(".ci/uncovered: covered in part: " parts[1] " | " parts[2])
        else if (!(row in needed)) fail(".ci/uncovered: covered, or not there: " parts[1] " | " parts[2])
    }
    printf "%-12s %8s %8s %8s %16s %16s\n", "folder", "lines", "covered", "%", "left by a rule", "left by a row"
    count = split(folders, names, " ")
    for (at = 1; at <= count; at++) {
        folder = names[at]
        percent = all[folder] ? 100 * covered[folder] / all[folder] : 0
        printf "%-12s %8d %8d %8.2f %16d %16d\n", folder, all[folder], covered[folder], percent, by_rule[folder], by_row[folder]
        if (percent < 95) fail(folder " is covered to less than 95 %")
    }
    exit failed
}
