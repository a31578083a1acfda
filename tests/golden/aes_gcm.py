"""aes_gcm.py: AES-256-GCM and HKDF-SHA256 in Python, from FIPS 197, SP 800-38D and RFC 5869."""
import hashlib
import hmac


def times(a, b):
    """In the field of AES."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def make_sbox():
    box = []
    for x in range(256):
        inverse = next((y for y in range(256) if times(x, y) == 1), 0)
        box.append(0x63)
        for shift in range(5):
            box[x] ^= (inverse << shift | inverse >> (8 - shift)) & 0xFF
    return box


SBOX = make_sbox()
TWICE = [times(x, 2) for x in range(256)]


def expand(key):
    """The 15 round keys, 16 bytes each."""
    words, constant = [list(key[i:i + 4]) for i in range(0, 32, 4)], 1
    while len(words) < 60:
        word = list(words[-1])
        if len(words) % 8 == 0:
            word = [SBOX[x] for x in word[1:] + word[:1]]
            word[0] ^= constant
            constant = times(constant, 2)
        elif len(words) % 8 == 4:
            word = [SBOX[x] for x in word]
        words.append([a ^ b for a, b in zip(word, words[-8])])
    return [sum(words[i:i + 4], []) for i in range(0, 60, 4)]


ROWS = [(column * 4 + row + 4 * row) % 16 for column in range(4) for row in range(4)]  # ShiftRows


def encrypt_block(rounds, block):
    state = [a ^ b for a, b in zip(block, rounds[0])]
    for i in range(1, 15):
        state = [SBOX[state[at]] for at in ROWS]
        if i < 14:
            mixed = []
            for c in range(0, 16, 4):
                a = state[c:c + 4]
                total = a[0] ^ a[1] ^ a[2] ^ a[3]
                mixed += [a[r] ^ total ^ TWICE[a[r] ^ a[(r + 1) % 4]] for r in range(4)]
            state = mixed
        state = [a ^ b for a, b in zip(state, rounds[i])]
    return bytes(state)


def hash_of(h, data):
    """GHASH."""
    y = 0
    for at in range(0, len(data), 16):
        y ^= int.from_bytes(data[at:at + 16], "big")
        product, v = 0, h
        for bit in range(127, -1, -1):
            if y >> bit & 1:
                product ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
        y = product
    return y


def padded(data):
    return data + bytes(-len(data) % 16)


def decrypt(key, nonce, data, additional=b""):
    """What was encrypted to `data`, ciphertext and tag; None when it is not authentic."""
    text, tag, rounds = data[:-16], data[-16:], expand(key)
    h = int.from_bytes(encrypt_block(rounds, bytes(16)), "big")
    sizes = (8 * len(additional)).to_bytes(8, "big") + (8 * len(text)).to_bytes(8, "big")
    total = hash_of(h, padded(additional) + padded(text) + sizes)
    mask = int.from_bytes(encrypt_block(rounds, nonce + b"\0\0\0\1"), "big")
    if len(tag) != 16 or total ^ mask != int.from_bytes(tag, "big"):
        return None
    plain = b""
    for i in range(0, len(text), 16):
        stream = encrypt_block(rounds, nonce + (i // 16 + 2).to_bytes(4, "big"))
        plain += bytes(a ^ b for a, b in zip(text[i:i + 16], stream))
    return plain


def hkdf(secret, salt, info, size):
    key = hmac.new(salt or bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(key, info + b"\1", hashlib.sha256).digest()[:size]
