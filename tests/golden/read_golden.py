#!/usr/bin/env python3
"""A second reader of Lode's files, written from docs/format alone: it shares no code with Lode.

    read_golden.py DATABASE [BACKUP...]         reads all of it, checks every checksum and record, prints JSON

A library too: read_database(path, key), read_backup(path). What is wrong raises Damage, with the file's name; an
encrypted database without its key WrongKey. Backups of encrypted databases are not read.
"""
import hashlib
import json
import os
import re
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import aes_gcm  # noqa: E402
from xxh3 import M, xxh3  # noqa: E402

KINDS = {"vectors": 1, "ids": 2, "docs": 3, "graph": 4, "live": 5, "manifest": 6, "text-model": 7, "catalog": 8,
         "snapshot": 9, "columns": 10}
FORMATS = {"catalog": 2, "manifest": 2}
NONE = 0xFFFFFFFF


class Damage(Exception):
    pass


class WrongKey(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Damage(what)


def mix(x):
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & M
    x = (x ^ x >> 27) * 0x94D049BB133111EB & M
    return x ^ x >> 31


def align(n, to=64):
    return (n + to - 1) // to * to


class Reader:
    """Fields one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, size):
        need(size <= len(self.data) - self.at, f"it ends {size} bytes early")
        self.at += size
        return self.data[self.at - size:self.at]

    def take(self, form):
        values = struct.unpack("<" + form, self.bytes(struct.calcsize("<" + form)))
        return values[0] if len(values) == 1 else values

    def zeros(self, size):
        need(not any(self.bytes(size)), "reserved bytes are not zeros")

    def end(self):
        need(self.at == len(self.data), f"{len(self.data) - self.at} bytes follow the last field")


class Files:
    """A directory of files, real or in a backup."""

    def __init__(self, files, keys=None):
        self.files, self.keys = files, keys  # keys: of an encrypted database, else None

    def read(self, name):
        need(name in self.files, f"{name} is missing")
        return self.files[name]()

    def names(self, pattern):
        found = [re.fullmatch(pattern, name) for name in self.files]
        return sorted(int(match.group(1)) for match in found if match)


def real_files(path, keys=None):
    def reader(name):
        def read():
            with open(os.path.join(path, name), "rb") as file:
                return file.read()
        return read
    return Files({name: reader(name) for name in os.listdir(path) if os.path.isfile(os.path.join(path, name))}, keys)


# --- keys.md, encrypted.md --------------------------------------------------------------------------

def read_keys(data, key):
    """The data keys, by id."""
    need(len(data) == 8192, "size of the keys")
    copies = [data[:4096], data[4096:]]
    for copy in copies:
        need(struct.unpack("<Q", copy[4088:])[0] == xxh3(copy[:4088]), "checksum of the keys")
    need(copies[0] == copies[1], "copies of the keys")
    magic, form, count, key_id, flags, zero, salt = struct.unpack_from("<8sII8sII32s", data)
    need(magic == b"lodekey\n" and form == 1 and 1 <= count <= 64 and flags == 0 and zero == 0, "header of the keys")
    need(not any(data[64 + 40 * count + 16:4088]), "filling of the keys")
    if key is None or key_id != aes_gcm.hkdf(key, None, b"lode key id", 8):
        raise WrongKey(f"it is encrypted with the key {key_id.hex()}")
    wrapping = aes_gcm.hkdf(key, salt, b"lode keys 1", 32)
    plain = aes_gcm.decrypt(wrapping, bytes(12), data[64:64 + 40 * count + 16], data[:64])
    need(plain is not None, "the data keys are not authentic")
    found = {}
    for i in range(count):
        secret = plain[40 * i + 8:40 * i + 40]
        number = struct.unpack("<Q", aes_gcm.hkdf(secret, None, b"lode data key id", 8))[0]
        found[number or 1] = secret
    return found


def file_key(header, kind, keys):
    magic, form, found, data_key, salt, total = struct.unpack("<8sIIQ32sQ", header)
    need(magic == b"lodesec\n" and form == 1 and found == kind and total == xxh3(header[:56]), "header of encryption")
    need(data_key in keys, "data key")
    return aes_gcm.hkdf(keys[data_key], salt, header[:24], 32)


def read_encrypted(data, keys):
    key, content, at = file_key(data[:64], 1, keys), b"", 64
    while at < len(data):
        end = min(at + 65552, len(data))
        nonce = struct.pack("<QI", (at - 64) // 65552, end == len(data))
        plain = aes_gcm.decrypt(key, nonce, data[at:end])
        need(plain, f"what is encrypted at {at} is not authentic")
        content, at = content + plain, end
    return content


# --- frame.md ---------------------------------------------------------------------------------------

def read_frame(data, kind, uid, number):
    need(len(data) >= 104 and data[:8] == b"lodefrm\n", "no header")
    form, found_kind, found_uid, found_number = struct.unpack_from("<IIQQ", data, 8)
    need(not any(data[32:56]), "reserved bytes of the header")
    need(struct.unpack_from("<Q", data, 56)[0] == xxh3(data[:56]), "checksum of the header")
    need(form == FORMATS.get(kind, 1) and found_kind == KINDS[kind], f"format {form} of kind {found_kind}")
    need(found_uid == uid and found_number == number, "collection or number in the header")
    f, blocks, sections, reserved, magic, total = struct.unpack("<QQII8sQ", data[-40:])
    need(magic == b"lodeend\n" and reserved == 0 and sections <= 8, "trailer")
    need(f % 64 == 0 and blocks == (f + 65535) // 65536, "size of the body")
    need(f + 24 * sections + 8 * blocks + 40 == len(data), "size of the footer")
    need(total == xxh3(data[f:-8]), "checksum of the footer")
    for i in range(blocks):
        wanted = struct.unpack_from("<Q", data, f + 24 * sections + 8 * i)[0]
        need(wanted == xxh3(data[65536 * i:min(65536 * (i + 1), f)]), f"checksum of block {i}")
    found, end = {}, 64
    for i in range(sections):
        kind_of, zero, offset, size = struct.unpack_from("<IIQQ", data, f + 24 * i)
        need(zero == 0 and offset % 64 == 0 and offset >= end and offset + size <= f, f"section {i}")
        need(not any(data[end:offset]) and kind_of not in found, f"what is before section {i}")
        found[kind_of] = data[offset:offset + size]
        end = offset + size
    need(not any(data[end:f]), "what is behind the last section")
    return found


def named_frame(files, name, kind, uid, number):
    try:
        data = files.read(name)
        return read_frame(data if files.keys is None else read_encrypted(data, files.keys), kind, uid, number)
    except Damage as damage:
        raise Damage(f"{name}: {damage}") from None


# --- catalog.md, manifest.md ------------------------------------------------------------------------

def read_catalog(files):
    sections = named_frame(files, "catalog", "catalog", 0, 0)
    reader, collections, aliases, before = Reader(sections[1]), {}, {}, b""
    for _ in range(reader.take("I")):
        kind, size = reader.take("BB")
        name = reader.bytes(size)
        need(kind in (1, 2) and re.fullmatch(rb"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", name) and name > before,
             "a name of the catalog")
        before = name
        if kind == 1:
            collections[name.decode()] = reader.take("Q")
        else:
            aliases[name.decode()] = reader.bytes(reader.take("B")).decode()
    reader.end()
    need(set(aliases.values()) <= set(collections), "an alias of nothing")
    settings = Reader(sections[2])
    keep, history = settings.take("QQ")
    settings.end()
    return {"collections": collections, "aliases": aliases, "log_keep_bytes": keep, "history": history}


def read_schema(data):
    reader = Reader(data)
    names = ["dim", "metric", "scalar", "index", "layout", "m", "ef_construction", "seed"]
    schema = dict(zip(names, reader.take("IBBBBIIQ")))
    schema["fields"] = []
    for _ in range(reader.take("I")):
        kind, zero, size = reader.take("BBH")
        need(1 <= kind <= 8 and zero == 0 and 1 <= size <= 128, "a declared field")
        schema["fields"].append([reader.bytes(size).decode(), kind])
    reader.end()
    need(1 <= schema["dim"] <= 65536 and schema["metric"] <= 2 and schema["scalar"] <= 3, "schema")
    need(schema["index"] <= 1 and schema["layout"] <= 1, "schema")
    return schema


def read_manifest(files, uid):
    generations = files.names(r"manifest-(\d+)")
    need(generations, "there is no manifest")
    sections = named_frame(files, f"manifest-{generations[-1]}", "manifest", uid, generations[-1])
    state = Reader(sections[1])
    names = ["flushed", "seen", "first_log", "next_number", "text_model", "reserved"]
    manifest = dict(zip(names, state.take("QQQQII")), generation=generations[-1], segments=[], requests={})
    state.end()
    need(manifest["reserved"] == 0 and manifest["seen"] >= manifest["flushed"], "state of the manifest")
    manifest["schema"] = read_schema(sections[2])
    reader = Reader(sections[3])
    while reader.at < len(reader.data):
        number, rows, living, generation, graph = reader.take("QIIQB")
        reader.zeros(7)
        need(number < manifest["next_number"] and 1 <= rows < 2**31 and living <= rows and graph <= 1, "segment")
        need(generation <= manifest["generation"] and (generation or living == rows), "a segment's live set")
        manifest["segments"].append((number, rows, living, generation, graph))
    need(manifest["segments"] == sorted(manifest["segments"]), "order of segments")
    reader, before = Reader(sections[4]), 0
    while reader.at < len(reader.data):
        sequence, result, size = reader.take("Q"), reader.take("IIII"), reader.take("B")
        need(before < sequence <= manifest["flushed"] and 1 <= size <= 65, "a request id")
        manifest["requests"][request_text(reader.bytes(size))] = (sequence, result)
        before = sequence
    return manifest


# --- vectors.md, ids.md, docs.md, live.md -----------------------------------------------------------

def row_size(schema):
    dim = schema["dim"]
    return [4 * dim, align(2 * dim, 4), align(2 * dim, 4), align(dim, 4) + 8][schema["scalar"]]


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def decode_row(schema, row):
    dim, scalar = schema["dim"], schema["scalar"]
    if scalar == 0:
        return list(struct.unpack(f"<{dim}f", row))
    if scalar == 3:
        scale, square_sum = struct.unpack_from("<fI", row, align(dim, 4))
        codes = struct.unpack_from(f"<{dim}b", row)
        need(not any(row[dim:align(dim, 4)]), "zeros behind a row")
        need(square_sum == sum(code * code for code in codes), "square sum of a row")
        return [f32(scale * code) for code in codes]
    need(not any(row[2 * dim:]), "zeros behind a row")
    if scalar == 1:
        return list(struct.unpack_from(f"<{dim}e", row))
    return [struct.unpack("<f", struct.pack("<I", half << 16))[0] for half in struct.unpack_from(f"<{dim}H", row)]


def request_text(data):
    need(len(data) < 65 or data[0] == 4, "a request id")
    return data.decode() if len(data) < 65 else "namespace " + data[1:33].hex() + " " + data[33:].hex()


def namespace_of(data):
    """Its name and what follows it; None: it has none."""
    if data[0] != 4:
        return None, data
    size, name = data[1], data[2:2 + data[1]]
    need(1 <= size <= 128 and len(name) == size and not re.search("[\0-\x1f\x7f-\x9f]", name.decode()), "a namespace")
    return name.decode(), data[2 + size:]


def id_text(data):
    space, data = namespace_of(data)
    need(data and data[0] != 4, "an id")
    kind, rest = data[0], data[1:]
    if space is not None:
        return f"namespace {json.dumps(space)} " + id_text(data)
    if kind == 1:
        need(len(rest) == 8, "size of a number")
        return f"number {int.from_bytes(rest, 'big')}"
    need(kind in (2, 3) and (kind == 3 or len(rest) == 16) and 1 <= len(rest) <= 512, "an id")
    return "uuid " + rest.hex() if kind == 2 else "string " + rest.decode()


def read_ids(files, number, uid, rows):
    sections = named_frame(files, f"seg-{number}.ids", "ids", uid, number)
    info = Reader(sections[1])
    found, buckets, offset_size, size, flags = info.take("IIIII")
    info.zeros(12)
    info.end()
    need(found == rows and buckets >= 1 and offset_size in (0, 4, 8) and (size > 0) == (offset_size == 0), "ids")
    if offset_size:
        offsets = struct.unpack(f"<{rows + 1}{'I' if offset_size == 4 else 'Q'}", sections[3])
    else:
        offsets = [size * i for i in range(rows + 1)]
    need(list(offsets) == sorted(offsets) and offsets[-1] == len(sections[2]), "offsets of ids")
    ids = [sections[2][offsets[i]:offsets[i + 1]] for i in range(rows)]
    check_table(ids, sections[4], buckets)
    need(flags == any(data[0] == 4 for data in ids), "flags of ids")
    return [id_text(data) for data in ids]


def check_table(ids, table, buckets):
    """Every id is found where it belongs, and nothing else is in the table."""
    need(len(table) == 64 * buckets, "size of the table of ids")
    total = sum(table[64 * i + 60] for i in range(buckets))
    need(total == len(ids), "rows in the table of ids")
    for row, data in enumerate(ids):
        value = xxh3(data)
        bucket, seen = (value >> 32) * buckets >> 32, 0
        while True:
            at = 64 * bucket
            used, over = table[at + 60], table[at + 61]
            need(used <= 12 and over <= 1 and table[at + 62:at + 64] == b"\0\0", "a bucket of ids")
            slots = struct.unpack_from("<12I", table, at)
            if row + 1 in slots[:used]:
                need(table[at + 48 + slots.index(row + 1)] == value & 0xFF, "tag of an id")
                break
            need(over and seen < buckets, f"row {row} is not in the table of ids")
            bucket, seen = (bucket + 1) % buckets, seen + 1


def read_docs(files, number, uid, rows, sequence_max):
    sections = named_frame(files, f"seg-{number}.docs", "docs", uid, number)
    info = Reader(sections[1])
    need(info.take("I") == rows, "rows of documents")
    info.zeros(28)
    offsets = struct.unpack(f"<{rows + 1}Q", sections[3]) if sections[3] else [0] * (rows + 1)
    need(list(offsets) == sorted(offsets) and offsets[-1] <= len(sections[2]), "offsets of documents")
    documents = [split_document(sections[2][offsets[i]:offsets[i + 1]]) for i in range(rows)]
    sequences = struct.unpack(f"<{rows}Q", sections[4])
    need(all(1 <= sequence <= sequence_max for sequence in sequences), "sequence of a row")
    expiries = struct.unpack(f"<{rows}Q", sections[5]) if sections[5] else [0] * rows
    order = struct.unpack(f"<{len(sections[6]) // 4}I", sections[6])
    need(all(e == 0 or 10**11 <= e <= 253402300799999 for e in expiries), "an expiry")
    wanted = sorted((row for row in range(rows) if expiries[row]), key=lambda row: (expiries[row], row))
    need(list(order) == wanted, "order of expiry")
    return documents, sequences, expiries


def read_set(data, count, rows):
    """A set of rows: none, all, or a Roaring bitmap."""
    if not data:
        need(count in (0, rows), "a set without bytes")
        return set(range(rows)) if count else set()
    reader, found, runs = Reader(data), set(), b""
    cookie = reader.take("I")
    containers = (cookie >> 16) + 1 if cookie & 0xFFFF == 12347 else reader.take("I")
    if cookie & 0xFFFF == 12347:
        runs = reader.bytes((containers + 7) // 8)
    else:
        need(cookie == 12346, "cookie of a set")
    heads = [reader.take("HH") for _ in range(containers)]
    if not runs or containers >= 4:
        reader.bytes(4 * containers)
    for i, (key, least) in enumerate(heads):
        if runs and runs[i // 8] >> (i % 8) & 1:
            pairs = [reader.take("HH") for _ in range(reader.take("H"))]
            low = [value for start, more in pairs for value in range(start, start + more + 1)]
        elif least + 1 <= 4096:
            low = struct.unpack(f"<{least + 1}H", reader.bytes(2 * (least + 1)))
        else:
            bits = int.from_bytes(reader.bytes(8192), "little")
            low = [value for value in range(65536) if bits >> value & 1]
        need(len(low) == least + 1, "rows of a set")
        found.update(key * 65536 + value for value in low)
    reader.end()
    need(len(found) == count and all(row < rows for row in found), "a set of rows")
    return found


TYPES = ["unknown", "keyword", "text", "integer", "float", "boolean", "datetime", "geo", "uuid", "object"]


def column_values(kind, type, data, text, count):
    if kind == 1:
        ends = struct.unpack(f"<{count + 1}Q", data)
        values = [text[ends[i]:ends[i + 1]] for i in range(count)]
        return values if type == "uuid" else [value.decode() for value in values]
    return list(struct.unpack(f"<{count}{'q' if kind == 2 else 'd'}", data))


def members(value, path):
    """What conditions see at a path: arrays are passed through."""
    if isinstance(value, list):
        return [found for item in value for found in members(item, path)]
    if not path:
        return [value]
    return members(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []


def check_column(column, documents, rows):
    """What the column says of each row is what its document says."""
    types = {"keyword": str, "text": str, "integer": int, "float": (int, float), "boolean": bool}
    if "`" in column["path"] or column["type"] not in types or column["given_up"]:
        return
    for row in range(rows):
        seen = members(json.loads(documents[row][0] or "{}"), column["path"].split("."))
        values = {value for value in seen if isinstance(value, types[column["type"]]) and
                  (column["type"] == "boolean" or not isinstance(value, bool))}
        need((None in seen) == (row in column["nulls"]), f"nulls of {column['path']}")
        need(not values or row in column["exists"], f"rows with {column['path']}")
        if row not in column["unknown"]:
            need(values == column["rows"].get(row, set()), f"values of {column['path']} in row {row}")


def spaces(ids):
    """Of each id as id_text writes it, the namespace's name."""
    decode = json.JSONDecoder().raw_decode
    return [decode(text, len("namespace "))[0] if text.startswith("namespace ") else None for text in ids]


def read_columns(files, number, uid, rows, documents, ids):
    sections = named_frame(files, f"seg-{number}.columns", "columns", uid, number)
    data, reader, columns = sections[1], Reader(sections[2]), []
    found, count, flags = reader.take("III")
    reader.zeros(20)
    need(found == rows and flags <= 1, "head of the columns")
    for _ in range(count):
        at, size, type, flags, kind, width, zero = reader.take("IHBBBBH")
        need(type < len(TYPES) and flags < 16 and kind <= 4 and zero == 0, "a column")
        counts, blobs = reader.take("IIIIII"), None
        reader.zeros(4)
        places = struct.unpack("<22Q", reader.bytes(176))
        blobs = [data[places[2 * i]:places[2 * i] + places[2 * i + 1]] for i in range(11)]
        need(all(places[2 * i] % 8 == 0 for i in range(11)), "alignment of a column")
        columns.append({"size": size, "type": TYPES[type], "kind": kind, "width": width, "counts": counts,
                        "blobs": blobs, "given_up": flags & 8, "rows": {}})
    for column in columns:
        column["path"] = reader.bytes(column["size"]).decode()
    reader.end()
    need([c["path"].encode() for c in columns] == sorted(c["path"].encode() for c in columns), "order of columns")
    for column in columns:
        values, pairs, dense, *sets = column["counts"]
        blobs = column["blobs"]
        for name, blob, rows_in in zip(("exists", "nulls", "unknown"), blobs, sets):
            column[name] = read_set(blob, rows_in, rows)
        if column["kind"] in (0, 4):
            continue
        texts = column_values(column["kind"], column["type"], blobs[3], blobs[4], values)
        need(texts == sorted(set(texts)), f"values of {column['path']}")
        starts = struct.unpack(f"<{values + 1}I", blobs[5])
        sparse, table = list(struct.unpack(f"<{len(blobs[6]) // 4}I", blobs[6])), {}
        for i in range(dense):
            value, before, begin, end = struct.unpack_from("<IIQQ", blobs[7], 24 * i)
            table[value] = read_set(blobs[8][begin:end], starts[value + 1] - starts[value], rows)
        for value in range(values):
            size = starts[value + 1] - starts[value]
            need((value in table) == (size >= 128), "which values are dense")
            for row in table[value] if value in table else [sparse.pop(0) for _ in range(size)]:
                found = bool(texts[value]) if column["type"] == "boolean" else texts[value]
                column["rows"].setdefault(row, set()).add(found)
        need(not sparse and starts[values] == pairs, "rows of values")
        need(bool(column["width"]) == all(len(found) < 2 for found in column["rows"].values()), "width of a column")
        if column["width"]:
            ords = struct.unpack(f"<{rows}{' BH I'[column['width']]}", blobs[9])
            for row in range(rows):
                own = {texts[ords[row]]} if ords[row] < values else set()
                need(own == column["rows"].get(row, set()), "value of a row")
        if column["path"] == ".namespace":
            need({row: {space} for row, space in enumerate(spaces(ids)) if space} == column["rows"],
                 "rows of namespaces")
            continue
        check_column(column, documents, rows)


def split_document(data):
    if not data:
        return None, None
    size = struct.unpack_from("<I", data)[0]
    need(size <= len(data) - 4, "a document")
    metadata, text = data[4:4 + size].decode(), data[4 + size:].decode()
    need(not metadata or isinstance(json.loads(metadata), dict), "metadata that is no object")
    return metadata or None, text or None


def bits_of(data, rows, living):
    need(len(data) == 8 * ((rows + 63) // 64), "size of a live set")
    bits = int.from_bytes(data, "little")
    need(bits >> rows == 0 and bin(bits).count("1") == living, "bits of a live set")
    return [bits >> row & 1 for row in range(rows)]


def read_live(files, number, uid, rows, living, generation):
    if generation == 0:
        return [1] * rows
    sections = named_frame(files, f"seg-{number}.del-{generation}", "live", uid, number)
    info = Reader(sections[1])
    need(info.take("QII") == (generation, rows, living), "what a live set is of")
    info.zeros(16)
    info.end()
    return bits_of(sections[2], rows, living)


# --- graph.md, qgraph.md ----------------------------------------------------------------------------

def check_graph(data, schema, rows):
    if data[:8] == b"LODEQGRF":
        return check_quantised(data, schema, rows)
    return check_plain(data, schema, rows)


def level_of(row, m, seed):
    u = (mix(seed ^ mix(row + 1)) >> 11) * 2.0**-53
    power, level = 1.0, 0
    for _ in range(15):
        power *= 1.0 / max(m, 2)
        if u >= power:
            break
        level += 1
    return level


def check_plain(data, schema, rows):
    magic, form, m, found, entry, slots, _ef, seed, size = struct.unpack_from("<8sIIIIIIQQ", data)
    need(magic == b"lodehnsw" and form == 1 and m == schema["m"] and found == rows, "header of the graph")
    need(not any(data[48:64]) and size == len(data), "size of the graph")
    u = align(64 + 8 * m * rows)
    p = align(u + 4 * rows)
    need(align(p + 4 * m * slots) == size, "parts of the graph")
    upper = struct.unpack_from(f"<{rows}I", data, u)
    levels = [level_of(row, m, seed) for row in range(rows)]
    need(levels[entry] == max(levels), "entry of the graph")
    for row in range(rows):
        check_list(data, 64 + 8 * m * row, 2 * m, row, 0, levels)
        for layer in range(1, levels[row] + 1):
            need(upper[row] + layer - 1 < slots, "slot of a list")
            check_list(data, p + 4 * m * (upper[row] + layer - 1), m, row, layer, levels)
    return "plain"


def check_list(data, at, length, row, layer, levels):
    links = list(struct.unpack_from(f"<{length}I", data, at))
    links = links[:links.index(NONE)] if NONE in links else links
    need(all(link < len(levels) and link != row and levels[link] >= layer for link in links), "a link")
    need(len(set(links)) == len(links) and (links or layer or len(levels) == 1), "links of a row")


def check_quantised(data, schema, rows):
    names = ["version", "m", "rows", "dim", "bits", "ef", "seed", "size", "pivots", "scale", "code_scale", "d", "error"]
    head = dict(zip(names, struct.unpack_from("<IIIIIIQQIffIf", data, 8)))
    dim, d, m, bits = head["dim"], head["d"], head["m"], head["bits"]
    need(head["version"] == 2 and m == schema["m"] and head["rows"] == rows and dim == schema["dim"], "header")
    need(bits in (1, 2, 7) and head["size"] == len(data) and 64 <= head["pivots"] <= 4096, "header")
    need(head["scale"] > 0 and head["code_scale"] > 0 and not any(data[68:72]) and not any(data[80:128]), "header")
    reduced, p32, c, blocks = d < dim, align(dim, 32), align(d), (2 * m + 31) // 32
    need(d % 64 == 0 if reduced else d == max(64, align(dim, 16)), "directions of the graph")
    at = 128 + align(4 * dim)
    at += align(4 * d) + align(d * p32) if reduced else 0
    groups = struct.unpack_from("<65I", data, at)
    need(groups[0] == 0 and list(groups) == sorted(groups) and groups[64] == head["pivots"], "groups of pivots")
    at += align(65 * 4)
    need(all(row < rows for row in struct.unpack_from(f"<{head['pivots']}I", data, at)), "rows of pivots")
    at += align(4 * head["pivots"]) + 64 * c + head["pivots"] * c
    lifted = schema["metric"] == 1
    block = 4 * d * bits + 64 + 64 + 128
    stride = align(128 * blocks + c) if bits == 7 else align(blocks * block + p32 + 4 + 4 * lifted)
    need(at + rows * stride == len(data), "size of the graph's rows")
    for row in range(rows):
        links = []
        for i in range(blocks):
            offset = 128 * i if bits == 7 else block * i + 4 * d * bits + 128
            links += struct.unpack_from("<32I", data, at + row * stride + offset)
        count = links.index(NONE) if NONE in links else len(links)
        need(0 < count <= 2 * m and all(link == NONE for link in links[count:]), "places of a row")
        need(all(link < rows and link != row for link in links[:count]), "a link")
    return "compact" if bits == 7 else "fast"


# --- text-model.md ----------------------------------------------------------------------------------

def read_text_model(files, number, uid, dim):
    sections = named_frame(files, f"text-model-{number}", "text-model", uid, number)
    need(len(sections) == 1, "sections of the text model")
    reader = Reader(next(iter(sections.values())))
    magic, form, found, count, exponent, texts = reader.take("8sIIIfQ")
    need(magic == b"LODETEXT" and form == 1 and found == dim and 0 < exponent <= 1, "header of the text model")
    language = reader.bytes(32).rstrip(b"\0").decode()
    words = []
    for _ in range(count):
        times, size = reader.take("IB")
        words.append(reader.bytes(size))
        need(1 <= times <= texts and 1 <= size <= 64, "a word")
    need(words == sorted(set(words)), "order of words")
    for _ in range(count):
        need(0 <= reader.take("f") <= 1e25, "scale of a word")
        reader.bytes(dim)
    reader.end()
    return {"language": language, "words": [word.decode() for word in words]}


# --- segments and snapshots -------------------------------------------------------------------------

def read_segment(files, uid, schema, number, rows, has_graph, sequence_max):
    """Its points, row by row."""
    sections = named_frame(files, f"seg-{number}.vectors", "vectors", uid, number)
    size, info = row_size(schema), Reader(sections[1])
    found = info.take("IIIBB")
    info.zeros(18)
    need(found == (rows, schema["dim"], size, schema["metric"], schema["scalar"]), "what the vectors are")
    need(len(sections[2]) == rows * size, "size of the vectors")
    ids = read_ids(files, number, uid, rows)
    documents, sequences, expiries = read_docs(files, number, uid, rows, sequence_max)
    if f"seg-{number}.columns" in files.files:
        read_columns(files, number, uid, rows, documents, ids)
    graph = None
    if has_graph:
        graph = check_graph(named_frame(files, f"seg-{number}.graph", "graph", uid, number)[1], schema, rows)
    points = []
    for row in range(rows):
        vector = decode_row(schema, sections[2][size * row:size * (row + 1)])
        points.append({"id": ids[row], "vector": vector, "metadata": documents[row][0], "text": documents[row][1],
                       "version": sequences[row], "expires_at_ms": expiries[row]})
    return points, graph


def add_living(points, segment, live):
    for point, lives in zip(segment, live):
        if lives:
            need(point["id"] not in points, f"{point['id']} lives twice")
            points[point["id"]] = point


def read_snapshot(files, uid, schema, number):
    sections = named_frame(files, f"snapshot-{number}", "snapshot", uid, number)
    state = Reader(sections[1])
    _generation, sequence, count, _made, _model, segments, size, zero = state.take("QQQQIIII")
    name = state.bytes(size).decode()
    state.end()
    need(zero == 0, "state of a snapshot")
    entries, sets, points = Reader(sections[2]), Reader(sections[3]), {}
    for _ in range(segments):
        of, rows, living, graph = entries.take("QIIB")
        entries.zeros(7)
        need(of <= number and 1 <= rows and living <= rows and graph <= 1, "segment of a snapshot")
        live = bits_of(sets.bytes(8 * ((rows + 63) // 64)), rows, living) if living < rows else [1] * rows
        add_living(points, read_segment(files, uid, schema, of, rows, graph, sequence)[0], live)
    entries.end()
    sets.end()
    need(len(points) == count, "points of a snapshot")
    return name, {"sequence": sequence, "points": points}


# --- wal.md -----------------------------------------------------------------------------------------

def read_log(data, uid, number, schema, keys=None):
    """[(sequence, request id, operations)]"""
    magic, form, flags, found_uid, found = struct.unpack_from("<8sIIQQ", data)
    need(magic == b"lodewal\n" and form == 3 and flags == (keys is not None) and (found_uid, found) == (uid, number), "header of the log")
    need(not any(data[32:56]) and struct.unpack_from("<Q", data, 56)[0] == xxh3(data[:56]), "header of the log")
    begin = 64 if keys is None else 128
    key = None if keys is None else file_key(data[64:128], 2, keys)
    batches, at, before, synced_before, numbers = [], begin, None, begin, set()
    while at < len(data):
        checksum, magic, count, size, first, synced = struct.unpack_from("<Q4sIQQQ", data, at)
        end = at + align(40 + size, 8)
        seed = mix(mix(uid) ^ mix(number + 1) ^ 2 * at & M)
        need(magic == b"lgrp" and end <= len(data) and count >= 1, f"group at {at}")
        need(checksum == xxh3(data[at + 8:end], seed), f"checksum of the group at {at}")
        need(before is None or first == before + 1, f"sequence of the group at {at}")
        need(synced_before <= synced <= at and not any(data[at + 40 + size:end]), f"group at {at}")
        payload = data[at + 40:at + 40 + size]
        if key:
            need(payload[:8] not in numbers, f"number of the group at {at}")
            numbers.add(payload[:8])
            additional = struct.pack("<QQQ", uid, number, at) + data[at + 8:at + 40]
            payload = aes_gcm.decrypt(key, payload[:8] + bytes(4), payload[8:], additional)
            need(payload is not None, f"the group at {at} is not authentic")
        payload = Reader(payload)
        for i in range(count):
            batches.append((first + i, *read_batch(payload.bytes(payload.take("I")), schema)))
        payload.end()
        before, at, synced_before = first + count - 1, end, synced
    return batches


def read_batch(data, schema):
    reader = Reader(data)
    count, id_size = reader.take("IB")
    reader.zeros(3)
    need(count <= 10000 and id_size <= 65, "a batch")
    request = None
    if id_size:
        reader.take("IIII")
        request = request_text(reader.bytes(id_size))
    operations = []
    for _ in range(count):
        kind, flags, size = reader.take("BBH")
        need((kind in (1, 2) or (kind == 4 and count == 1)) and flags in ((0, 0x80) if kind == 1 else (0,)), "kind of an operation")
        if kind == 4:
            space, rest = namespace_of(reader.bytes(size))
            need(space is not None and not rest, "a namespace to drop")
            operations.append((kind, {"namespace": space}))
            continue
        point = {"id": id_text(reader.bytes(size))}
        if kind == 1:
            point["expires_at_ms"] = reader.take("Q") if flags else 0
            point["vector"] = decode_row(schema, reader.bytes(row_size(schema)))
            sizes = reader.take("II")
            metadata, text = (reader.bytes(size).decode() or None for size in sizes)
            point.update(metadata=metadata, text=text)
        operations.append((kind, point))
    reader.end()
    return request, operations


def replay(points, batches, flushed):
    sequence = flushed
    for number, _request, operations in batches:
        need(number == sequence + 1, f"batch {number} where {sequence + 1} should be")
        sequence = number
        for kind, point in operations:
            if kind == 4:
                prefix = f"namespace {json.dumps(point['namespace'])} "
                for name in [name for name in points if name.startswith(prefix)]:
                    del points[name]
                continue
            points.pop(point["id"], None)
            if kind == 1:
                points[point["id"]] = dict(point, version=number)
    return sequence


# --- a collection, a database -----------------------------------------------------------------------

def read_collection(files, uid):
    manifest = read_manifest(files, uid)
    schema, points, graphs = manifest["schema"], {}, []
    for number, rows, living, generation, has_graph in manifest["segments"]:
        segment, graph = read_segment(files, uid, schema, number, rows, has_graph, manifest["flushed"])
        add_living(points, segment, read_live(files, number, uid, rows, living, generation))
        graphs += [graph] if graph else []
    logs = {number: read_log(files.read(f"wal-{number}.log"), uid, number, schema, files.keys)
            for number in files.names(r"wal-(\d+)\.log")}
    sequence = manifest["flushed"]
    for number in sorted(logs):
        if number >= manifest["first_log"]:
            sequence = replay(points, logs[number], sequence)
    need(sequence >= manifest["seen"], "the logs end before what the manifest has seen")
    requests = list(manifest["requests"])
    requests += [batch[1] for number in sorted(logs) for batch in logs[number] if batch[1] and batch[1] not in requests]
    model = read_text_model(files, manifest["text_model"], uid, schema["dim"]) if manifest["text_model"] else None
    snapshots = dict(read_snapshot(files, uid, schema, number) for number in files.names(r"snapshot-(\d+)"))
    return {"sequence": sequence, "text_model": manifest["text_model"], "schema": schema, "points": points,
            "snapshots": snapshots, "requests": requests, "graphs": graphs, "words": model and model["words"]}


def read_database(path, key=None):
    files = real_files(path)
    keys = read_keys(files.read("keys"), key) if "keys" in files.files else None
    catalog = read_catalog(real_files(path, keys))
    collections = {name: read_collection(real_files(os.path.join(path, f"c-{uid:016x}"), keys), uid)
                   for name, uid in catalog["collections"].items()}
    return {"collections": collections, "aliases": catalog["aliases"], "log_keep_bytes": catalog["log_keep_bytes"]}


# --- backup.md --------------------------------------------------------------------------------------

PARTS = ["catalog", "manifest-{n}", "wal-{n}.log", "seg-{n}.vectors", "seg-{n}.ids", "seg-{n}.docs", "seg-{n}.graph",
         "seg-{n}.del-{g}", "text-model-{n}", None, None, None, "seg-{n}.columns"]


def read_inventory(data):
    magic, form, zero, _made, root, base, collections, files, history = struct.unpack_from("<8sIIQ32s32sIIQ", data)
    need(magic == b"lodeinv\n" and form == 3 and zero == 0 and history, "header of the inventory")
    need(struct.unpack("<Q", data[-8:])[0] == xxh3(data[:-8]), "checksum of the inventory")
    reader = Reader(data[104:-8])
    inventory = {"root": root, "base": base, "collections": {}, "files": []}
    for _ in range(collections):
        uid, sequence, points, size, zero = reader.take("QQQII")
        inventory["collections"][uid] = (reader.bytes(size).decode(), sequence, points)
    for _ in range(files):
        uid, kind, zero, number, generation, size, total, offset, first, last = reader.take("QIIQQQQQQQ")
        need(kind < len(PARTS) and PARTS[kind] and zero == 0 and (uid in inventory["collections"] or (uid, kind) == (0, 0)), "a file")
        inventory["files"].append({"uid": uid, "kind": kind, "name": PARTS[kind].format(n=number, g=generation),
                                   "size": size, "sum": total, "offset": offset, "batches": (first, last),
                                   "hash": reader.bytes(32)})
    reader.end()
    need(root == root_of(inventory["files"]), "root hash of the inventory")
    return inventory


def root_of(files):
    def directory(file):
        return "" if not file["uid"] else f"{'log' if file['kind'] == 2 else 'c'}-{file['uid']:016x}"

    def lines(pairs):
        return "".join(f"{digest}  {name}\n" for name, digest in sorted(pairs)).encode()
    top = {}
    for name in {directory(file) for file in files}:
        below = [(file["name"], file["hash"].hex()) for file in files if directory(file) == name]
        if name:
            top[name] = hashlib.sha256(lines(below)).hexdigest()
        else:
            top.update(below)
    return hashlib.sha256(lines(top.items())).digest()


def read_contents(inventory, content):
    """The database that would be restored; every content is checked."""
    by_uid, logs = {}, {}
    for file in inventory["files"]:
        data = content(file)
        need(len(data) == file["size"] and hashlib.sha256(data).digest() == file["hash"], f"content of {file['name']}")
        need(file["kind"] == 2 or struct.unpack("<Q", data[-8:])[0] == file["sum"], f"sum of {file['name']}")
        if file["kind"] == 2:
            logs.setdefault(file["uid"], []).append((file, data))
        else:
            by_uid.setdefault(file["uid"], {})[file["name"]] = lambda data=data: data
    catalog = read_catalog(Files(by_uid[0]))
    collections = {name: read_collection(Files(by_uid[uid]), uid) for name, uid in catalog["collections"].items()}
    for uid, (name, sequence, points) in inventory["collections"].items():
        found = collections[name]
        need(found["sequence"] == sequence and len(found["points"]) == points, f"what is backed up of {name}")
        for file, data in logs.get(uid, []):
            batches = read_log(data, uid, int(file["name"][4:-4]), found["schema"])
            need(batches and batches[0][0] == file["batches"][0] and batches[-1][0] >= file["batches"][1], "a log")
    return {"collections": collections, "aliases": catalog["aliases"], "log_keep_bytes": catalog["log_keep_bytes"]}


def read_backup(path):
    if os.path.isfile(path):
        return read_backup_file(path)
    files = real_files(path)
    need(files.read("lode-backups") == b"Lode backups, format 1\n", "mark of a directory of backups")
    objects = real_files(os.path.join(path, "objects"))
    inventory = read_inventory(files.read(f"backup-{files.names(r'backup-([0-9]+)')[-1]}"))
    return read_contents(inventory, lambda file: objects.read(file["hash"].hex()))


def read_backup_file(path):
    with open(path, "rb") as file:
        data = file.read()
    need(data[:12] == b"lodebak\n\1\0\0\0" and not any(data[12:56]), "header of a backup")
    need(struct.unpack_from("<Q", data, 56)[0] == xxh3(data[:56]), "header of a backup")
    magic, at, size, root, total = struct.unpack("<8sQQ32sQ", data[-64:])
    need(magic == b"lodebke\n" and total == xxh3(data[-64:-8]), "trailer of a backup")
    inventory = read_inventory(data[at:at + size])
    need(inventory["root"] == root, "root hash in the trailer")
    return read_contents(inventory, lambda file: data[file["offset"]:file["offset"] + file["size"]])


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        result = {"database": read_database(sys.argv[1])}
        for path in sys.argv[2:]:
            result[path] = read_backup(path)
    except Damage as damage:
        sys.exit(f"damaged: {damage}")
    json.dump(result, sys.stdout)
    print()


if __name__ == "__main__":
    main()
