#!/usr/bin/python3
"""The package catalogue of this Debian machine, as JSON Lines for Lode.

    demo/catalogue.py DIRECTORY

writes into DIRECTORY

    packages.jsonl   one object a package: {"id", "text", "metadata"}
    training.jsonl   one object a source package: {"text"}, what the text model learns from

Every Debian machine knows its packages (apt's lists); the long descriptions come as a "translation"
to English, which container images leave out. When this machine has none, they are fetched into
DIRECTORY/apt, without touching the system's own lists and without being root. When that fails too,
the short descriptions have to do. Standard library only.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys

APT_HELPER = "/usr/lib/apt/apt-helper"
UPDATE_SECONDS_MAX = 90

# What is only a part of something: libraries and their headers, documentation, data, translations.
PART_SECTIONS = {"debug", "doc", "introspection", "libdevel", "libs", "localization", "oldlibs"}
PART_NAME = re.compile(
    r"-(api-doc|common|data|dbg|dev|doc|docs|examples|guide|headers|help|l10n|lang|locales|manual"
    r"|source|static|tests)$|-(dev|doc|help|l10n|lang|locale)-"
)


class Apt:
    """apt with its own directories below `private`, or the system's when that is None."""

    def __init__(self, private=None):
        self.options = []
        if private:
            self.options = ["-c", str(self.configure(private.resolve()))]

    @staticmethod
    def configure(private):
        (private / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (private / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        lines = [
            f'Dir::State::Lists "{private}/lists";',
            f'Dir::Cache "{private}/cache";',
            "#clear Acquire::Languages;",
            'Acquire::Languages { "en"; };',
            'Acquire::Retries "1";',
            'Acquire::http::Timeout "15";',
            'Acquire::https::Timeout "15";',
            "#clear APT::Update::Pre-Invoke;",
            "#clear APT::Update::Post-Invoke;",
            "#clear APT::Update::Post-Invoke-Success;",
        ]
        if os.geteuid() == 0:
            lines.append('APT::Sandbox::User "root";')  # _apt may not enter this directory
        path = private / "apt.conf"
        path.write_text("\n".join(lines) + "\n")
        return path

    def run(self, program, *arguments, timeout=None):
        """The program's output, or "" when it fails."""
        try:
            done = subprocess.run(
                [program, *self.options, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=timeout,
                check=False,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""

    def update(self):
        self.run("apt-get", "-q", "update", timeout=UPDATE_SECONDS_MAX)

    def translations(self):
        """The files that hold long descriptions in English."""
        names = self.run(
            "apt-get", "indextargets", "--format", "$(LANGUAGE) $(FILENAME)", "Created-By: Translations"
        )
        files = [line.split(" ", 1)[1] for line in names.splitlines() if line.startswith("en ")]
        return [file for file in files if os.path.exists(file)]

    def long_descriptions(self):
        """By the checksum that packages name them with."""
        found = {}
        for file in self.translations():
            for stanza in stanzas(self.run(APT_HELPER, "cat-file", file)):
                if "Description-md5" in stanza and "Description-en" in stanza:
                    found[stanza["Description-md5"]] = stanza["Description-en"]
        return found

    def packages(self):
        return stanzas(self.run("apt-cache", "dumpavail"))


def stanzas(text):
    """The records of a Debian control file, as dictionaries."""
    for block in text.split("\n\n"):
        fields = {}
        name = None
        for line in block.split("\n"):
            if line[:1] in (" ", "\t"):
                if name:
                    fields[name] += "\n" + line[1:]
            else:
                name, colon, value = line.partition(":")
                name = name if colon else None
                if name:
                    fields[name] = value.strip()
        if fields:
            yield fields


def paragraphs(description):
    """A summary and the paragraphs under it, from a Description field."""
    summary, _, rest = description.partition("\n")
    blocks = re.split(r"^\.$", rest, flags=re.MULTILINE)
    return summary.strip(), [block for block in (" ".join(b.split()) for b in blocks) if block]


def split_name(name):
    """The words of a name: "python3-numpy" -> "python3 numpy", "libgtk-3-dev" -> "libgtk 3 dev gtk"."""
    words = [word for word in re.split(r"[-_.+]+", name) if word]
    stems = [re.sub(r"^lib|[0-9]+$", "", word) for word in words]
    return " ".join(words + [stem for stem, word in zip(stems, words) if len(stem) > 2 and stem != word])


def source_of(stanza):
    return stanza.get("Source", stanza["Package"]).split(" ", 1)[0]


def tags_of(stanza):
    tags = (tag.strip() for tag in stanza.get("Tag", "").split(","))
    return [tag for tag in tags if tag and not tag.endswith("::TODO")]


def metadata_of(stanza, summary):
    metadata = {
        "package": stanza["Package"],
        "source": source_of(stanza),
        "section": stanza.get("Section", ""),
        "priority": stanza.get("Priority", ""),
        "tags": tags_of(stanza),
        "maintainer": stanza.get("Maintainer", ""),
        "version": stanza.get("Version", ""),
        "summary": summary,
    }
    if stanza.get("Installed-Size", "").isdigit():
        metadata["installed_size"] = int(stanza["Installed-Size"])  # KiB, as Debian counts it
    return {name: value for name, value in metadata.items() if value not in ("", [])}


def read_catalogue(directory):
    """(packages, long descriptions, where the latter come from)."""
    system, private = Apt(), Apt(directory / "apt")
    for apt, origin in ((system, "this machine's own lists"), (private, "lists fetched before")):
        found = apt.long_descriptions()
        if found:
            return apt.packages(), found, origin
    print("No long descriptions here (container images leave them out): fetching them ...", flush=True)
    private.update()
    found = private.long_descriptions()
    if found:
        return private.packages(), found, "lists fetched now"
    return system.packages(), {}, None


def section_of(stanza):
    """Without the archive's area: "contrib/net" -> "net"."""
    return stanza.get("Section", "").rpartition("/")[2]


def is_part(stanza):
    return section_of(stanza) in PART_SECTIONS or bool(PART_NAME.search(stanza["Package"]))


def by_source(packages, long_descriptions):
    """{source: [(stanza, summary, paragraphs)]}, each package once."""
    sources = {}
    seen = set()
    for stanza in packages:
        name = stanza.get("Package")
        if name and name not in seen:
            seen.add(name)
            description = long_descriptions.get(stanza.get("Description-md5"), stanza.get("Description", ""))
            sources.setdefault(source_of(stanza), []).append((stanza, *paragraphs(description)))
    return sources


def package_texts(members):
    """The text of each binary package of one source.

    Packages of a source share paragraphs about the whole. Were they part of every text, a search for
    photo editors would find headers and help pages of photo editors. So a package that is only a part keeps
    what is said of it alone, and names its kind (its section) three times; the others say twice what they
    are in a line. Nothing is left out where a source has nothing but parts.
    """
    mentions = collections.Counter(text for _, _, body in members for text in set(body))
    has_whole = not all(is_part(stanza) for stanza, _, _ in members)
    for stanza, summary, body in members:
        lines = [split_name(stanza["Package"]), summary]
        if is_part(stanza):
            lines += [text for text in body if mentions[text] == 1 or not has_whole]
            lines += [" ".join([section_of(stanza)] * 3)]
        else:
            lines += [*body, summary, section_of(stanza)]
        yield "\n".join(lines)


def training_text(source, members):
    """All that is said about a source package, each paragraph once."""
    lines = {split_name(source): None}  # a dictionary keeps the order
    for stanza, summary, body in members:
        lines.update(dict.fromkeys([summary, *body, section_of(stanza)]))
    return "\n".join(lines)


def write_lines(path, records):
    with open(path, "w", encoding="utf-8") as out:
        for record in records:
            out.write(json.dumps(record, ensure_ascii=False) + "\n")


def package_records(sources):
    for members in sources.values():
        for (stanza, summary, _), text in zip(members, package_texts(members)):
            yield {"id": stanza["Package"], "text": text, "metadata": metadata_of(stanza, summary)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=pathlib.Path, help="where to write; made when missing")
    directory = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    packages, long_descriptions, origin = read_catalogue(directory)
    sources = by_source(packages, long_descriptions)
    count = sum(len(members) for members in sources.values())
    if not count:
        sys.exit("catalogue: apt knows no packages here; run `apt-get update` as root, then try again")
    write_lines(directory / "packages.jsonl", package_records(sources))
    training = ({"text": training_text(*item)} for item in sources.items())
    write_lines(directory / "training.jsonl", training)
    if origin:
        print(f"{count:,} packages of {len(sources):,} sources; long descriptions from {origin}")
    else:
        print(
            f"{count:,} packages of {len(sources):,} sources, with SHORT descriptions only: the long ones "
            "could not be fetched (no network?). Searches will be less telling."
        )


if __name__ == "__main__":
    main()
