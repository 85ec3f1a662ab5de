"""A small JPEG encoder that writes what encoders may and hardly ever do: any sampling, any scans, any order, restarts.

Baseline and progressive, Huffman coding, 8 bits. Codes are flat (all of one length), so that no table need be made for a picture.
"""

import numpy as np

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
COSINES = np.array([[np.cos((2 * x + 1) * u * np.pi / 16) * (np.sqrt(0.125) if u == 0 else 0.5) for x in range(8)] for u in range(8)])
DC_SYMBOLS = list(range(12))
# End-of-block runs, 16 zeros, and every run with every size.
AC_SYMBOLS = [run << 4 for run in range(16)] + [run << 4 | size for run in range(16) for size in range(1, 11)]


def segment(marker, data):
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2, "big") + data


def table(kind, symbols):
    bits = len(symbols).bit_length()
    counts = bytes(len(symbols) if length == bits else 0 for length in range(1, 17))
    return segment(0xC4, bytes([kind << 4]) + counts + bytes(symbols))


class Bits:
    """Entropy-coded data: bits in, stuffed bytes out."""

    def __init__(self):
        self.bytes, self.value, self.count = bytearray(), 0, 0

    def put(self, value, count):
        self.value = self.value << count | value & (1 << count) - 1
        self.count += count
        while self.count >= 8:
            self.count -= 8
            byte = self.value >> self.count & 255
            self.bytes.append(byte)
            if byte == 255:
                self.bytes.append(0)

    def flush(self):
        if self.count:
            self.put(-1, 8 - self.count)

    def dc(self, size):
        self.put(size, 4)

    def ac(self, symbol):
        self.put(AC_CODES[symbol], 8)

    def magnitude(self, value, size):
        self.put(value if value > 0 else value - 1, size)


AC_CODES = {symbol: code for code, symbol in enumerate(AC_SYMBOLS)}


class Component:
    def __init__(self, ident, h, v, quant, plane):
        self.ident, self.h, self.v, self.quant, self.plane = ident, h, v, quant, plane


class Picture:
    """`components`: planes of floats at full size, which are averaged to their sampling here."""

    def __init__(self, width, height, components, progressive=False, restart=0):
        self.width, self.height, self.progressive, self.restart = width, height, progressive, restart
        self.components = components
        self.h, self.v = max(c.h for c in components), max(c.v for c in components)
        self.mcus = (-(-width // (8 * self.h)), -(-height // (8 * self.v)))
        for c in components:
            c.size = (-(-width * c.h // self.h), -(-height * c.v // self.v))
            c.blocks = (-(-c.size[0] // 8), -(-c.size[1] // 8))
            c.padded = (self.mcus[0] * c.h, self.mcus[1] * c.v)
            rows = np.minimum(np.arange(c.padded[1] * 8) * self.v // c.v, height - 1)
            columns = np.minimum(np.arange(c.padded[0] * 8) * self.h // c.h, width - 1)
            samples = c.plane[np.ix_(rows, columns)] - 128
            samples = samples.reshape(c.padded[1], 8, c.padded[0], 8).transpose(0, 2, 1, 3)
            dct = np.einsum("ux,rcxy,vy->rcuv", COSINES, samples, COSINES).reshape(c.padded[1], c.padded[0], 64)
            c.coefficients = np.round(dct[:, :, ZIGZAG] / c.quant).clip(-1000, 1000).astype(int).tolist()

    def headers(self, extra=b""):
        out = b"\xff\xd8" + extra
        for number, c in enumerate(self.components):
            out += segment(0xDB, bytes([number]) + bytes([c.quant] * 64))
        frame = bytes([8]) + self.height.to_bytes(2, "big") + self.width.to_bytes(2, "big") + bytes([len(self.components)])
        for number, c in enumerate(self.components):
            frame += bytes([c.ident, c.h << 4 | c.v, number])
        out += segment(0xC2 if self.progressive else 0xC0, frame) + table(0, DC_SYMBOLS) + table(1, AC_SYMBOLS)
        if self.restart:
            out += segment(0xDD, self.restart.to_bytes(2, "big"))
        return out

    def mcu_blocks(self, parts):
        """The blocks of each unit that restarts count, with the component's place in the scan."""
        if len(parts) == 1:
            c = parts[0]
            return [[(0, c.coefficients[y][x])] for y in range(c.blocks[1]) for x in range(c.blocks[0])]
        units = []
        for my in range(self.mcus[1]):
            for mx in range(self.mcus[0]):
                units.append([(place, c.coefficients[my * c.v + y][mx * c.h + x])
                              for place, c in enumerate(parts) for y in range(c.v) for x in range(c.h)])
        return units

    def scan(self, which, first=0, last=63, high=0, low=0):
        """(header, [data of each restart interval])"""
        parts = [self.components[i] for i in which]
        header = bytes([len(parts)]) + b"".join(bytes([c.ident, 0x00]) for c in parts) + bytes([first, last, high << 4 | low])
        units, every = self.mcu_blocks(parts), self.restart or 1 << 30
        intervals = []
        for start in range(0, len(units), every):
            coder = Coder(first, last, high, low, self.progressive)
            for unit in units[start:start + every]:
                for place, block in unit:
                    coder.block(place, block)
            intervals.append(coder.end())
        return segment(0xDA, header), intervals


class Coder:
    """One restart interval."""

    def __init__(self, first, last, high, low, progressive):
        self.first, self.last, self.high, self.low, self.progressive = first, last, high, low, progressive
        self.bits, self.before, self.run, self.corrections = Bits(), {}, 0, []

    def block(self, place, block):
        if not self.progressive:
            self.dc(place, block[0])
            self.sequential(block)
        elif self.first == 0:
            if self.high:
                self.bits.put(block[0] >> self.low & 1, 1)
            else:
                self.dc(place, block[0] >> self.low)
        elif self.high:
            self.refine(block)
        else:
            self.spectral(block)

    def dc(self, place, value):
        difference = value - self.before.get(place, 0)
        self.before[place] = value
        size = abs(difference).bit_length()
        self.bits.dc(size)
        self.bits.magnitude(difference, size)

    def sequential(self, block):
        zeros = 0
        for value in block[1:]:
            if value == 0:
                zeros += 1
                continue
            while zeros > 15:
                self.bits.ac(0xF0)
                zeros -= 16
            size = abs(value).bit_length()
            self.bits.ac(zeros << 4 | size)
            self.bits.magnitude(value, size)
            zeros = 0
        if zeros:
            self.bits.ac(0)

    def end_runs(self):
        if self.run:
            size = self.run.bit_length() - 1
            self.bits.ac(size << 4)
            self.bits.put(self.run, size)
            self.run = 0
        for bit in self.corrections:
            self.bits.put(bit, 1)
        self.corrections = []

    def spectral(self, block):
        zeros = 0
        for value in block[self.first:self.last + 1]:
            shifted = abs(value) >> self.low
            if shifted == 0:
                zeros += 1
                continue
            self.end_runs()
            while zeros > 15:
                self.bits.ac(0xF0)
                zeros -= 16
            size = shifted.bit_length()
            self.bits.ac(zeros << 4 | size)
            self.bits.magnitude(shifted if value > 0 else -shifted, size)
            zeros = 0
        if zeros:
            self.run += 1
            if self.run == 0x7FFF:
                self.end_runs()

    def refine(self, block):
        values = [abs(value) >> self.low for value in block[self.first:self.last + 1]]
        newest = max((at for at, value in enumerate(values) if value == 1), default=-1)
        zeros, corrections = 0, []
        for at, value in enumerate(values):
            if value == 0:
                zeros += 1
                continue
            while zeros > 15 and at <= newest:
                self.end_runs()
                self.bits.ac(0xF0)
                zeros -= 16
                for bit in corrections:
                    self.bits.put(bit, 1)
                corrections = []
            if value > 1:
                corrections.append(value & 1)
                continue
            self.end_runs()
            self.bits.ac(zeros << 4 | 1)
            self.bits.put(block[self.first + at] > 0, 1)
            for bit in corrections:
                self.bits.put(bit, 1)
            zeros, corrections = 0, []
        if zeros or corrections:
            self.run += 1
            self.corrections += corrections
            if self.run == 0x7FFF or len(self.corrections) > 900:
                self.end_runs()

    def end(self):
        self.end_runs()
        self.bits.flush()
        return bytes(self.bits.bytes)


def joined(intervals, first=0):
    out = b""
    for number, data in enumerate(intervals):
        out += (bytes([0xFF, 0xD0 + (number - 1 + first) % 8]) if number else b"") + data
    return out
