#!/usr/bin/env python3
"""Written filters over generated metadata and over real sets: the C evaluator and naive_filter.py count the
same. The real sets come from LODE_DATA, by default ../shared/data beside the sources; without them they are left out. Under a
sanitizer one document in four of them is taken: all are counted by the plain build."""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

from naive_filter import Naive

SOURCE = pathlib.Path(os.environ["LODE_SOURCE"])
TOOL = pathlib.Path(os.environ["LODE_BUILD"]) / "tests/filter/test_counts"
DATA = pathlib.Path(os.environ.get("LODE_DATA", SOURCE / "../shared/data"))
STRIDE = 4 if os.environ.get("LODE_SANITIZE") else 1

# Each filter in both forms. Either must match as many as the other, and as many as Naive says of the second.
MOVIES = [
    ('genres = "Drama"', {"genres": "Drama"}),
    ('genres != "Drama"', {"genres": {"ne": "Drama"}}),
    ('genres IN ("Horror", "Thriller") AND year >= 2010',
     {"genres": {"in": ["Horror", "Thriller"]}, "year": {"gte": 2010}}),
    ('genres HAS ALL ("Action", "Comedy")', {"genres": {"all": ["Action", "Comedy"]}}),
    ('genres HAS ALL ("Science Fiction", "Horror") AND rating > 6.5',
     {"genres": {"all": ["Science Fiction", "Horror"]}, "rating": {"gt": 6.5}}),
    ('1990 <= year < 2000', {"year": {"gte": 1990, "lt": 2000}}),
    ('year BETWEEN 1960 AND 1969 OR year > 2020',
     {"or": [{"year": {"between": [1960, 1969]}}, {"year": {"gt": 2020}}]}),
    ('rating >= 8 AND votes > 1000', {"rating": {"gte": 8}, "votes": {"gt": 1000}}),
    ('NOT (rating < 7 OR votes <= 500)',
     {"not": {"or": [{"rating": {"lt": 7}}, {"votes": {"lte": 500}}]}}),
    ('budget = 0', {"budget": 0}),
    ('budget > 150000000.5', {"budget": {"gt": 150000000.5}}),
    ('popularity > 1000', {"popularity": {"gt": 1000}}),
    ('rating = 7', {"rating": 7}),
    ('director PREFIX "Steven"', {"director": {"prefix": "Steven"}}),
    ('director GLOB "* S*n*"', {"director": {"glob": "* S*n*"}}),
    ('director REGEX "^[A-Z][a-z]+ [A-Z]\\\\. "', {"director": {"regex": r"^[A-Z][a-z]+ [A-Z]\. "}}),
    ('director MATCH "scott ridley"', {"director": {"match": "scott ridley"}}),
    ('actors MATCH "tom"', {"actors": {"match": "tom"}}),
    ('characters MATCH PHRASE "clark kent"', {"characters": {"phrase": "clark kent"}}),
    ('characters MATCH "kent" AND NOT characters MATCH PHRASE "clark kent"',
     {"characters": {"match": "kent"}, "not": {"characters": {"phrase": "clark kent"}}}),
    ('actors IN ("Tom Hanks", "Meg Ryan") AND genres = "Romance"',
     {"actors": {"in": ["Tom Hanks", "Meg Ryan"]}, "genres": "Romance"}),
    ('actors HAS ALL ("Al Pacino", "Robert De Niro")',
     {"actors": {"all": ["Al Pacino", "Robert De Niro"]}}),
    ('AT LEAST 2 OF (genres = "Comedy", rating > 7, year >= 2000)',
     {"at_least": {"n": 2, "of": [{"genres": "Comedy"}, {"rating": {"gt": 7}},
                                  {"year": {"gte": 2000}}]}}),
    ('NOT AT LEAST 1 OF (genres = "Drama", genres = "Comedy", genres = "Action")',
     {"not": {"at_least": {"n": 1, "of": [{"genres": "Drama"}, {"genres": "Comedy"},
                                          {"genres": "Action"}]}}}),
    ('NOT tags IN ("gore", "murder") AND genres = "Horror"',
     {"not": {"tags": {"in": ["gore", "murder"]}}, "genres": "Horror"}),
    ('tags REGEX "(?i)love|friend" AND NOT genres = "Romance"',
     {"tags": {"regex": "(?i)love|friend"}, "genres": {"ne": "Romance"}}),
    ('director >= "M" AND director < "N"', {"director": {"gte": "M", "lt": "N"}}),
    ('url EXISTS AND tags IS NOT NULL', {"url": {"exists": True}, "tags": {"null": False}}),
]
TITLES = [
    ('service = "netflix"', {"service": "netflix"}),
    ('service != "netflix" AND type = "Movie"', {"service": {"ne": "netflix"}, "type": "Movie"}),
    ('director IS NULL', {"director": {"null": True}}),
    ('director IS NOT NULL AND country = "France"',
     {"director": {"null": False}, "country": "France"}),
    ('director != "Kirsten Johnson"', {"director": {"ne": "Kirsten Johnson"}}),
    ('country IN ("India", "Japan")', {"country": {"in": ["India", "Japan"]}}),
    ('NOT country IN ("United States", "India")',
     {"not": {"country": {"in": ["United States", "India"]}}}),
    ('country HAS ALL ("France", "Germany")', {"country": {"all": ["France", "Germany"]}}),
    ('2018 <= release_year <= 2020 AND rating IN ("TV-MA", "R")',
     {"release_year": {"between": [2018, 2020]}, "rating": {"any": ["TV-MA", "R"]}}),
    ('release_year < 1950 OR release_year = 2021',
     {"or": [{"release_year": {"lt": 1950}}, {"release_year": 2021}]}),
    ('date_added >= "2021-01-01" AND date_added < "2021-07-01"',
     {"date_added": {"gte": "2021-01-01", "lt": "2021-07-01"}}),
    ('date_added PREFIX "2020-12"', {"date_added": {"prefix": "2020-12"}}),
    ('duration REGEX "^[0-9]{3} min$" OR duration GLOB "[2-9] Seasons"',
     {"or": [{"duration": {"regex": "^[0-9]{3} min$"}}, {"duration": {"glob": "[2-9] Seasons"}}]}),
    ('duration IS NULL AND type = "TV Show"', {"duration": None, "type": "TV Show"}),
    ('cast MATCH "kumar"', {"cast": {"match": "kumar"}}),
    ('cast = "Samuel L. Jackson"', {"cast": "Samuel L. Jackson"}),
    ('cast MATCH PHRASE "jackson" AND NOT cast = "Samuel L. Jackson"',
     {"cast": {"phrase": "jackson"}, "not": {"cast": "Samuel L. Jackson"}}),
    ('genres GLOB "*Comed*" AND country = "United Kingdom"',
     {"genres": {"glob": "*Comed*"}, "country": "United Kingdom"}),
    ('genres MATCH "dramas international"', {"genres": {"match": "dramas international"}}),
    ('NOT (genres = "Documentaries" OR type = "TV Show") AND NOT service = "hulu"',
     {"and": [{"not": {"or": [{"genres": "Documentaries"}, {"type": "TV Show"}]}},
              {"not": {"service": "hulu"}}]}),
    ('rating IN ("PG", "G", "TV-Y", "TV-G") AND release_year >= 2015',
     {"rating": {"in": ["PG", "G", "TV-Y", "TV-G"]}, "release_year": {"gte": 2015}}),
    ('AT LEAST 2 OF (director IS NULL, duration IS NULL, country = "Japan")',
     {"at_least": {"n": 2, "of": [{"director": None}, {"duration": None}, {"country": "Japan"}]}}),
    ('@id IN (0, 5, 100, 99999)', {"@id": {"in": [0, 5, 100, 99999]}}),
    ('@id != 0 AND type = "Movie"', {"@id": {"ne": 0}, "type": "Movie"}),
]
GENERATED = [
    ("n = 3", {"n": 3}),
    ("n != 3", {"n": {"ne": 3}}),
    ("n > 3.5", {"n": {"gt": 3.5}}),
    ("big = 9007199254740993", {"big": 9007199254740993}),
    ("big > 9007199254740992.0", {"big": {"gt": 9007199254740992.0}}),
    ("mixed >= 2 AND mixed < 3.5", {"and": [{"mixed": {"gte": 2}}, {"mixed": {"lt": 3.5}}]}),
    ("2 <= mixed < 3.5", {"mixed": {"gte": 2, "lt": 3.5}}),
    ("mixed IN (1, 2.5)", {"mixed": {"in": [1, 2.5]}}),
    ("mixed HAS ALL (1, 2.5)", {"mixed": {"all": [1, 2.5]}}),
    ("mixed HAS ALL ()", {"mixed": {"all": []}}),
    ("mixed IN ()", {"mixed": {"in": []}}),
    ("flag = true", {"flag": True}),
    ("NOT flag = true", {"not": {"flag": True}}),
    ("flag EXISTS AND flag IS NOT NULL", {"flag": {"exists": True, "null": False}}),
    ("flag IS MISSING", {"flag": {"exists": False}}),
    ("mixed IS NULL", {"mixed": {"null": True}}),
    ('at >= "2020-01-01" AND at < "2020-06-01T02:00:00+02:00"',
     {"at": {"gte": "2020-01-01", "lt": "2020-06-01T02:00:00+02:00"}}),
    ('at = "2020-03-04T05:06:07.5Z"', {"at": "2020-03-04T05:06:07.5Z"}),
    ('uid = "00000000-0000-0000-0000-00000000000A"',
     {"uid": "00000000-0000-0000-0000-00000000000A"}),
    ("place WITHIN 2500 km OF (LAT 10, LON 175)",
     {"place": {"radius": {"center": {"lat": 10, "lon": 175}, "meters": 2500000}}}),
    ("place WITHIN BOX (LAT -30 TO 30, LON 150 TO -150)",
     {"place": {"box": {"top_left": [150, 30], "bottom_right": [-150, -30]}}}),
    ("place NOT WITHIN BOX (LAT -90 TO 90, LON -180 TO 0)",
     {"not": {"place": {"box": {"top_left": [-180, 90], "bottom_right": [0, -90]}}}}),
    ("place WITHIN POLYGON ((160 -40, -150 -20, -160 40, 170 30), (175 -5, -175 -5, -175 10))",
     {"place": {"polygon": {"outer": [[160, -40], [-150, -20], [-160, 40], [170, 30]],
                            "holes": [[[175, -5], [-175, -5], [-175, 10]]]}}}),
    ("place WITHIN POLYGON ((0 0, 40 0, 20 20, 40 40, 0 40))",
     {"place": {"polygon": {"outer": [[0, 0], [40, 0], [20, 20], [40, 40], [0, 40]]}}}),
    ('people NESTED (name = "Ann" AND age >= 3)',
     {"people": {"nested": {"name": "Ann", "age": {"gte": 3}}}}),
    ('people.name = "Ann" AND people.age >= 3', {"people.name": "Ann", "people.age": {"gte": 3}}),
    ('people NESTED (NOT name = "Ann")', {"people": {"nested": {"not": {"name": "Ann"}}}}),
    ('people.pets NESTED (kind = "cat" AND legs < 4)',
     {"people.pets": {"nested": {"kind": "cat", "legs": {"lt": 4}}}}),
    ('people NESTED (pets NESTED (kind = "cat") AND name != "Bob")',
     {"people": {"nested": {"pets": {"nested": {"kind": "cat"}}, "name": {"ne": "Bob"}}}}),
    ("people.name EXISTS", {"people.name": {"exists": True}}),
    ("`odd.key`.`x``y` = 1", {"`odd.key`.`x``y`": 1}),
    ("word >= \"b\" AND word < \"c\u00e9\"", {"word": {"gte": "b", "lt": "c\u00e9"}}),
    ("word MATCH \"CAFE\u0301\"", {"word": {"match": "CAFE\u0301"}}),
]


def random_regexes(count):
    """With anchors anywhere, over the field abc."""
    draw = random.Random(3)

    def expression(depth):
        out = ""
        for _ in range(draw.randrange(1, 4)):
            atom = draw.choice(["a", "b", ".", "[ab]", "[^a]", "^", "$", "c", r"\b", r"\B"])
            if depth and draw.random() < 0.4:
                atom = f"({expression(depth - 1)}|{expression(depth - 1)})"
            out += atom
            if atom[0] not in "^$\\":
                out += draw.choice(["", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}"])
        return out

    for _ in range(count):
        tree = {"abc": {"regex": expression(2)}}
        yield "abc REGEX " + json.dumps(tree["abc"]["regex"]), tree


def generated_documents(count):
    draw = random.Random(7)
    some = lambda make, most=3: [make() for _ in range(draw.randrange(most + 1))]
    words = ["apple", "banana", "caf\u00e9", "Caf\u00e9 noir", "cat", "cz", "", "b", "\u00e9clair"]
    number = lambda: draw.choice([1, 2, 2.5, 3, 3.5, 1e3, -1])
    pet = lambda: {"kind": draw.choice(["cat", "dog"]), "legs": draw.randrange(3, 5)}
    point = lambda: draw.choice([
        {"lat": draw.randrange(-18, 19) * 5, "lon": draw.randrange(-36, 37) * 5},
        [draw.randrange(-360, 361) / 2, draw.randrange(-180, 181) / 2]])
    person = lambda: {key: value for key, value in {
        "name": draw.choice(["Ann", "Bob", None]), "age": draw.randrange(6),
        "pets": some(pet, 2)}.items() if draw.random() < 0.8}
    makers = {
        "n": lambda: draw.randrange(6),
        "big": lambda: 2**53 + draw.randrange(4),
        "mixed": lambda: draw.choice([number(), some(number), [some(number), None]]),
        "flag": lambda: draw.random() < 0.5,
        "at": lambda: draw.choice(["2020-03-04T05:06:07.5Z", "2020-03-04T06:06:07.500+01:00",
                                   "2020-06-01T00:00:00Z", "2019-12-31T23:59:59.999999Z",
                                   "2020-05-31T23:59:60Z", "2020-01-01t00:00:00z"]),
        "uid": lambda: "00000000-0000-0000-0000-0000000000%02x" % draw.randrange(16),
        "place": lambda: draw.choice([point(), [point(), point()]]),
        "people": lambda: draw.choice([person(), some(person)]),
        "odd.key": lambda: {"x`y": draw.randrange(3)},
        "word": lambda: draw.choice(words),
        "abc": lambda: "".join(draw.choice("aabbc ") for _ in range(draw.randrange(9))),
    }
    for _ in range(count):
        document = {}
        for key, make in makers.items():
            fate = draw.random()
            if fate > 0.15:
                document[key] = None if fate < 0.25 and key not in ("odd.key",) else make()
        yield document


def real_documents(name):
    archive = DATA / f"{name}.tar.zst"
    if not archive.exists():
        return None
    text = subprocess.run(["tar", "--zstd", "-xOf", archive, f"{name}/corpus.jsonl"], check=True,
                          capture_output=True).stdout
    return [json.loads(line)["metadata"] for line in text.splitlines()[::STRIDE]]


def counted(folder, declared, documents, filters):
    paths = [pathlib.Path(folder, name) for name in ("fields", "documents", "filters")]
    paths[0].write_text("".join(f"{path} {kind}\n" for path, kind in declared.items()))
    paths[1].write_text("".join(json.dumps(document) + "\n" for document in documents))
    paths[2].write_text("".join(line + "\n" for line in filters))
    lines = subprocess.run([TOOL, *paths], check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in lines.splitlines()]


def check(name, declared, documents, filters):
    naive, faults, total = Naive(declared), 0, 0
    for document in documents:
        naive.learn(document)
    lines = [line for text, tree in filters for line in (text, json.dumps(tree))]
    with tempfile.TemporaryDirectory() as folder:
        counts = counted(folder, declared, documents, lines)
    assert len(counts) == len(lines), "an answer is missing"
    for i, (text, tree) in enumerate(filters):
        wanted = sum(naive.matches(tree, document, number)
                     for number, document in enumerate(documents))
        total += 0 < wanted < len(documents)
        for count, printed in counts[2 * i:2 * i + 2]:
            again = wanted
            if count.isdigit() and len(documents) < 2000: # canonical JSON means the same
                again = sum(naive.matches(json.loads(printed), document, number)
                            for number, document in enumerate(documents))
            if count != str(wanted) or again != wanted:
                print(f"{name}: {text}: {count} ({printed}), not {wanted}")
                faults += 1
    print(f"{name}: {len(filters)} filters over {len(documents)} documents, {total} of them match "
          f"some and not all; {faults} wrong")
    return faults + (total < len(filters) // 2)


def main():
    declared = {"at": "datetime", "uid": "uuid", "place": "geo", "word": "text"}
    faults = check("generated", declared, list(generated_documents(1500)), GENERATED)
    # Before 3.14, \\B did not match the empty text in Python.
    texts = [{"abc": document.get("abc") or "c"} for document in generated_documents(200)]
    faults += check("regexes", {}, texts, list(random_regexes(300)))
    for name, filters in (("movies-ltr", MOVIES), ("streaming-titles", TITLES)):
        documents = real_documents(name)
        if documents:
            faults += check(name, {}, documents, filters)
        else:
            print(f"{name}: left out, {DATA}/{name}.tar.zst is not there")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
