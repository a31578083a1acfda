"""A second evaluator of filters, from docs/filters.md alone: it shares nothing with the C one. It reads the JSON
form, walks documents as Python objects, and finds types of fields by itself."""

import datetime
import fnmatch
import math
import re
import unicodedata
import uuid

MISSING = object()


def split_path(path):
    parts, name, at = [], "", 0
    while at < len(path):
        if path[at] == "`":
            at += 1
            while path[at] != "`" or path[at + 1:at + 2] == "`":
                at += path[at] == "`"
                name += path[at]
                at += 1
        elif path[at] == ".":
            parts.append(name)
            name = ""
        else:
            name += path[at]
        at += 1
    return tuple(parts + [name])


# --- Documents ------------------------------------------------------------------------------------

def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read_point(value):
    if isinstance(value, dict) and set(value) == {"lat", "lon"}:
        lat, lon = value["lat"], value["lon"]
    elif isinstance(value, list) and len(value) == 2:
        lon, lat = value
    else:
        return None
    if not is_number(lat) or not is_number(lon) or abs(lat) > 90 or abs(lon) > 180:
        return None
    return float(lat), float(lon)


def reach(value, parts, geo=False):
    """Every value at the path's end, arrays as they stand."""
    if not parts:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from reach(item, parts, geo)
    elif isinstance(value, dict) and parts[0] in value:
        yield from reach(value[parts[0]], parts[1:], geo)


def flatten(value, geo=False):
    if isinstance(value, list) and not (geo and read_point(value)):
        for item in value:
            yield from flatten(item, geo)
    else:
        yield value


def read_moment(text, date_alone=False):
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?"
                         r"([Zz]|[+-]\d\d:\d\d))?", text)
    if not match or (match[8] is None and not date_alone):
        return None
    year, month, day, hour, minute, second = (int(match[i] or 0) for i in range(1, 7))
    try:
        days = (datetime.date(year, month, day) - datetime.date(1970, 1, 1)).days
    except ValueError:
        return None
    us = ((days * 24 + hour) * 60 + minute) * 60 + second
    if match[8] and match[8] not in "Zz":
        sign = -1 if match[8][0] == "+" else 1
        us += sign * (int(match[8][1:3]) * 60 + int(match[8][4:6])) * 60
    return us * 1000000 + int((match[7] or "0")[:6].ljust(6, "0"))


def convert(kind, value, literal=False):
    """The value as one of its field's type, to compare with; None when it is none."""
    if kind in ("keyword", "text"):
        return value if isinstance(value, str) else None
    if kind in ("integer", "float"):
        if not is_number(value) or (kind == "integer" and not literal and isinstance(value, float)):
            return None
        if isinstance(value, int) and not -2**63 <= value < 2**63:
            return float(value)
        return value
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if not isinstance(value, str):
        return None
    if kind == "datetime":
        return read_moment(value, literal)
    return uuid.UUID(value).int if kind == "uuid" else None


# --- Words ----------------------------------------------------------------------------------------

def words_of(text):
    words, word = [], ""
    for c in unicodedata.normalize("NFC", text) + " ":
        if unicodedata.category(c)[0] in "LNM" and (word or unicodedata.category(c)[0] != "M"):
            word += c.lower()
        elif word:
            words.append(word)
            word = ""
    return words


def has_phrase(words, wanted):
    return any(words[i:i + len(wanted)] == wanted for i in range(len(words) - len(wanted) + 1))


# --- The earth ------------------------------------------------------------------------------------

def distance(a, b):
    lat_a, lon_a, lat_b, lon_b = map(math.radians, (*a, *b))
    h = (math.sin((lat_b - lat_a) / 2) ** 2
         + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2)
    return 2 * 6371008.8 * math.asin(min(1, math.sqrt(h)))


def winding(ring, point):
    """0 outside, 1 inside, None on the border: by turning numbers, not by counting crossings."""
    lat, lon = point
    xs = [ring[0][1]]
    for _, other in ring[1:]:
        step = (other - xs[-1] + 540) % 360 - 180
        xs.append(xs[-1] + step)
    inside = 0
    for turn in range(-3, 4):
        x, turns = lon + 360 * turn, 0
        for i in range(len(ring)):
            x0, y0, x1, y1 = xs[i - 1], ring[i - 1][0], xs[i], ring[i][0]
            side = (x1 - x0) * (lat - y0) - (x - x0) * (y1 - y0)
            if side == 0 and min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= lat <= max(y0, y1):
                return None
            if y0 <= lat < y1 and side > 0:
                turns += 1
            elif y1 <= lat < y0 and side < 0:
                turns -= 1
        inside |= turns != 0
    return inside


def in_box(box, point):
    north, west = read_point(box["top_left"])
    south, east = read_point(box["bottom_right"])
    if not south <= point[0] <= north:
        return False
    lons = [point[1], -point[1]] if abs(point[1]) == 180 else [point[1]]
    if west <= east:
        return any(west <= lon <= east for lon in lons)
    return any(lon >= west or lon <= east for lon in lons)


def in_polygon(polygon, point):
    if winding([read_point(p) for p in polygon["outer"]], point) == 0:
        return False
    return all(winding([read_point(p) for p in hole], point) != 1
               for hole in polygon.get("holes", []))


# --- Filters --------------------------------------------------------------------------------------

class Naive:
    def __init__(self, declared):
        self.types = {split_path(path): kind for path, kind in declared.items()}

    def learn(self, value, parts=()):
        if self.types.get(parts) == "geo" and (value is None or read_point(value)):
            return
        if isinstance(value, dict):
            for key, item in value.items():
                self.learn(item, parts + (key,))
        elif isinstance(value, list):
            for item in value:
                self.learn(item, parts)
        elif value is not None:
            kind = ("boolean" if isinstance(value, bool) else "keyword" if isinstance(value, str)
                    else "integer" if isinstance(value, int) and -2**63 <= value < 2**63
                    else "float")
            known = self.types.setdefault(parts, kind)
            if known == "integer" and kind == "float":
                self.types[parts] = "float"

    def matches(self, tree, document, point_id, outer=()):
        return all(self.member(key, value, document, point_id, outer)
                   for key, value in tree.items())

    def member(self, key, value, document, point_id, outer):
        each = lambda trees: [self.matches(tree, document, point_id, outer) for tree in trees]
        if key == "and":
            return all(each(value))
        if key == "or":
            return any(each(value))
        if key == "not":
            return not self.matches(value, document, point_id, outer)
        if key == "at_least":
            return sum(each(value["of"])) >= value["n"]
        if key == "@id":
            return self.id_holds(value, point_id)
        parts = split_path(key)
        return self.condition(parts, value, document, point_id, outer + parts)

    def id_holds(self, test, point_id):
        if not isinstance(test, dict):
            return test == point_id
        if "in" in test:
            return point_id in test["in"]
        return test["eq"] == point_id if "eq" in test else test["ne"] != point_id

    def condition(self, parts, tests, document, point_id, full):
        kind = self.types.get(full, "object")
        found = list(reach(document, parts))
        values = [v for f in found for v in flatten(f, kind == "geo")]
        if not isinstance(tests, dict):
            tests = {"eq": tests}
        bounds = {key: tests[key] for key in ("lt", "lte", "gt", "gte", "between") if key in tests}
        others = {key: test for key, test in tests.items() if key not in bounds}
        holds = [self.test(key, test, kind, found, values, point_id, full)
                 for key, test in others.items()]
        if bounds:
            holds.append(any(self.within(bounds, kind, value) for value in values))
        return all(holds)

    def within(self, bounds, kind, value):
        value = convert(kind, value)
        if value is None:
            return False
        if isinstance(value, str):
            value = value.encode()
        for key, bound in bounds.items():
            pair = [convert(kind, b, True) for b in (bound if key == "between" else [bound])]
            pair = [b.encode() if isinstance(b, str) else b for b in pair]
            if not {"lt": lambda: value < pair[0], "lte": lambda: value <= pair[0],
                    "gt": lambda: value > pair[0], "gte": lambda: value >= pair[0],
                    "between": lambda: pair[0] <= value <= pair[1]}[key]():
                return False
        return True

    def test(self, key, test, kind, found, values, point_id, full):
        if key == "exists":
            return bool(found) == test
        if key == "null":
            return any(value is None for value in values) == test
        if key in ("eq", "ne"):
            if test is None:
                return any(value is None for value in values) == (key == "eq")
            return self.among([test], kind, values) == (key == "eq")
        if key in ("in", "any"):
            return self.among(test, kind, values)
        if key == "all":
            return all(self.among([item], kind, values) for item in test)
        if key == "nested":
            return any(self.matches(test, value, point_id, full)
                       for value in values if isinstance(value, dict))
        if kind == "geo":
            points = filter(None, map(read_point, values))
            return any(self.near(key, test, point) for point in points)
        return any(self.pattern(key, test, value) for value in values if isinstance(value, str))

    def among(self, wanted, kind, values):
        have = [convert(kind, value) for value in values]
        return any(convert(kind, item, True) == value for value in have if value is not None
                   for item in wanted)

    def near(self, key, test, point):
        if key == "radius":
            return distance(read_point(test["center"]), point) <= test["meters"]
        return in_box(test, point) if key == "box" else in_polygon(test, point)

    def pattern(self, key, test, value):
        if key == "prefix":
            return value.startswith(test)
        if key == "glob":
            return fnmatch.fnmatchcase(value, test)
        if key == "regex":
            return re.search(test, value) is not None
        if key == "match":
            return set(words_of(test)) <= set(words_of(value))
        assert key == "phrase", key
        return has_phrase(words_of(value), words_of(test))
