"""xxh3.py: XXH3-64 in Python (xxHash 0.8, XXH3_64bits_withSeed), from its specification."""
import struct

M = (1 << 64) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")


def r64(data, at):
    return int.from_bytes(data[at:at + 8], "little")


def r32(data, at):
    return int.from_bytes(data[at:at + 4], "little")


def swap64(x):
    return int.from_bytes(x.to_bytes(8, "little"), "big")


def rotl(x, n):
    return (x << n | x >> (64 - n)) & M


def fold(a, b):
    product = a * b
    return product & M ^ product >> 64


def avalanche64(h):
    h = (h ^ h >> 33) * P64_2 & M
    h = (h ^ h >> 29) * P64_3 & M
    return h ^ h >> 32


def avalanche(h):
    h = (h ^ h >> 37) * 0x165667919E3779F9 & M
    return h ^ h >> 32


def short(d, n, seed):
    if n == 0:
        return avalanche64(seed ^ r64(SECRET, 56) ^ r64(SECRET, 64))
    if n <= 3:
        combined = d[0] << 16 | d[n >> 1] << 24 | d[n - 1] | n << 8
        return avalanche64(combined ^ (r32(SECRET, 0) ^ r32(SECRET, 4)) + seed & M)
    if n <= 8:
        seed ^= int.from_bytes((seed & 0xFFFFFFFF).to_bytes(4, "little"), "big") << 32
        keyed = r32(d, n - 4) + (r32(d, 0) << 32) ^ (r64(SECRET, 8) ^ r64(SECRET, 16)) - seed & M
        h = keyed ^ rotl(keyed, 49) ^ rotl(keyed, 24)
        h = h * 0x9FB21C651E98DF25 & M
        h = (h ^ (h >> 35) + n) * 0x9FB21C651E98DF25 & M
        return h ^ h >> 28
    low = r64(d, 0) ^ (r64(SECRET, 24) ^ r64(SECRET, 32)) + seed & M
    high = r64(d, n - 8) ^ (r64(SECRET, 40) ^ r64(SECRET, 48)) - seed & M
    return avalanche(n + swap64(low) + high + fold(low, high) & M)


def mix16(d, at, s, seed):
    return fold(r64(d, at) ^ r64(SECRET, s) + seed & M, r64(d, at + 8) ^ r64(SECRET, s + 8) - seed & M)


def middle(d, n, seed):
    acc = n * P64_1
    if n <= 128:
        for i in reversed(range((n - 1) // 32 + 1)):
            acc += mix16(d, 16 * i, 32 * i, seed) + mix16(d, n - 16 * (i + 1), 32 * i + 16, seed)
        return avalanche(acc & M)
    for i in range(8):
        acc += mix16(d, 16 * i, 16 * i, seed)
    acc = avalanche(acc & M)
    for i in range(8, n // 16):
        acc += mix16(d, 16 * i, 16 * (i - 8) + 3, seed)
    return avalanche(acc + mix16(d, n - 16, 136 - 17, seed) & M)


def accumulate(acc, lanes, at, keys):
    for i in range(8):
        value = lanes[at + i]
        key = value ^ keys[i]
        acc[i ^ 1] += value
        acc[i] = acc[i] + (key & 0xFFFFFFFF) * (key >> 32) & M


def long(d, n, seed):
    secret = b"".join(((r64(SECRET, i) + seed) & M).to_bytes(8, "little") +
                      ((r64(SECRET, i + 8) - seed) & M).to_bytes(8, "little") for i in range(0, 192, 16))
    acc = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
    keys = [struct.unpack_from("<8Q", secret, 8 * i) for i in range(17)]
    lanes = struct.unpack_from(f"<{n // 8}Q", d)
    stripes = (n - 1) // 64
    for stripe in range(stripes):
        accumulate(acc, lanes, 8 * stripe, keys[stripe % 16])
        if stripe % 16 == 15:
            for i in range(8):
                x = acc[i] & M
                acc[i] = (x ^ x >> 47 ^ keys[16][i]) * P32_1 & M
    accumulate(acc, struct.unpack_from("<8Q", d, n - 64), 0, struct.unpack_from("<8Q", secret, 192 - 64 - 7))
    h = n * P64_1
    for i in range(4):
        h += fold(acc[2 * i] & M ^ r64(secret, 11 + 16 * i), acc[2 * i + 1] & M ^ r64(secret, 19 + 16 * i))
    return avalanche(h & M)


def xxh3(data, seed=0):
    data = bytes(data)
    n = len(data)
    return short(data, n, seed) if n <= 16 else middle(data, n, seed) if n <= 240 else long(data, n, seed)
