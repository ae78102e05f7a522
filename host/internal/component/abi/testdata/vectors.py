"""Makes vectors.json: what the reference of the canonical ABI does with values.

  python3 vectors.py FOLDER > vectors.json

FOLDER has definitions.py of the component model's repository (design/mvp/canonical-abi, commit 6d28164). Each vector is
core values, or a pointer, and memory of one guest; the value that they are, or null where the guest traps; and for each
encoding of another guest the core values and memory that the value becomes there, with the calls of its realloc.
"""
import json, random, sys

sys.path.insert(0, sys.argv[1])
from definitions import *
import definitions

definitions.DETERMINISTIC_PROFILE = True
rnd = random.Random(1)
ENCODINGS = ['utf8', 'utf16', 'latin1+utf16']
SIZE = 128  # bytes of the first guest's memory
PRIMITIVES = {'bool': BoolType, 's8': S8Type, 'u8': U8Type, 's16': S16Type, 'u16': U16Type, 's32': S32Type,
              'u32': U32Type, 's64': S64Type, 'u64': U64Type, 'f32': F32Type, 'f64': F64Type, 'char': CharType,
              'string': StringType}


def build(s):
    """The reference's type of a type as it is written in a vector."""
    if isinstance(s, str):
        return PRIMITIVES[s]()
    kind, *rest = s
    sub = lambda x: None if x is None else build(x)
    if kind == 'list':
        return ListType(build(rest[0]), *([rest[1]] if rest[1] else []))
    if kind == 'tuple':
        return TupleType([build(x) for x in rest])
    if kind == 'record':
        return RecordType([FieldType('f%d' % i, build(x)) for i, x in enumerate(rest)])
    if kind == 'variant':
        return VariantType([CaseType('c%d' % i, sub(x)) for i, x in enumerate(rest)])
    if kind == 'enum':
        return EnumType(['c%d' % i for i in range(rest[0])])
    if kind == 'option':
        return OptionType(build(rest[0]))
    if kind == 'result':
        return ResultType(sub(rest[0]), sub(rest[1]))
    if kind == 'flags':
        return FlagsType(['c%d' % i for i in range(rest[0])])


def written(v, s):
    """A value as it is written in a vector."""
    if isinstance(s, str):
        if s == 'f32':
            return encode_float_as_i32(v)
        if s == 'f64':
            return encode_float_as_i64(v)
        return ord(v) if s == 'char' else v[0] if s == 'string' else v
    kind, *rest = s
    if kind == 'list':
        return [written(x, rest[0]) for x in v]
    if kind in ('tuple', 'record'):
        return [written(x, t) for x, t in zip(v.values(), rest)]
    if kind == 'flags':
        return sum(1 << i for i, x in enumerate(v.values()) if x)
    cases = {'option': lambda: [None] + rest, 'result': lambda: rest, 'enum': lambda: [None] * rest[0],
             'variant': lambda: rest}[kind]()
    labels = {'option': ['none', 'some'], 'result': ['ok', 'error']}.get(kind, ['c%d' % i for i in range(len(cases))])
    [(label, x)] = v.items()
    i = labels.index(label)
    return [i, None if cases[i] is None else written(x, cases[i])]


def random_type(depth):
    if depth == 0 or rnd.random() < .3:
        return rnd.choice(list(PRIMITIVES))
    kind = rnd.choice(['list', 'list', 'fixed', 'tuple', 'record', 'variant', 'enum', 'option', 'result', 'flags'])
    inner = lambda: random_type(depth - 1)
    maybe = lambda: inner() if rnd.random() < .7 else None
    some = range(rnd.randrange(1, 4))
    return {'list': lambda: ['list', inner(), 0], 'fixed': lambda: ['list', inner(), rnd.randrange(1, 4)],
            'tuple': lambda: ['tuple'] + [inner() for _ in some], 'record': lambda: ['record'] + [inner() for _ in some],
            'variant': lambda: ['variant'] + [maybe() for _ in some], 'enum': lambda: ['enum', rnd.choice([1, 3, 256, 257])],
            'option': lambda: ['option', inner()], 'result': lambda: ['result', maybe(), maybe()],
            'flags': lambda: ['flags', rnd.choice([1, 8, 9, 16, 17, 32])]}[kind]()


class Heap:
    """Room in the second guest: what realloc returns, and is asked."""

    def __init__(self):
        self.memory, self.last, self.calls = bytearray(4096), 0, []

    def realloc(self, args):
        self.calls.append(list(args))
        old, old_size, alignment, new_size = args
        if old != 0 and new_size < old_size:
            return [old]
        at = align_to(self.last, alignment)
        self.last = at + new_size
        if self.last > len(self.memory):
            raise AssertionError('the heap is too small')
        self.memory[at:at + old_size] = self.memory[old:old + old_size]
        return [at]


def context(memory, encoding, realloc=None):
    opts = CanonicalOptions()
    opts.memory, opts.string_encoding, opts.realloc = MemInst(memory, 'i32'), encoding, realloc
    opts.post_return, opts.sync_task_return, opts.async_, opts.callback = None, False, False, None
    return LiftLowerContext(opts, ComponentInstance(Store()))


def core(bits, t):
    return decode_i32_as_float(bits) if t == 'f32' else decode_i64_as_float(bits) if t == 'f64' else bits


def bits(v, t):
    return encode_float_as_i32(v) if t == 'f32' else encode_float_as_i64(v) if t == 'f64' else v


def random_core(t):
    small = [0, 1, 2, 3, 4, 5, 8, 16, 24, 32, 40, 64, 100, 128]
    if t in ('i32', 'f32'):
        return rnd.choice(small * 3 + [0x7fc00001, 0xffffffff, 0x3fc00000, 0xd800, 0xdfff, 0xe000, 0x10ffff, 0x110000,
                                       0x80000000 + rnd.choice(small), rnd.getrandbits(32), SIZE, SIZE - 1])
    return rnd.choice(small + [0x7ff8000000000001, (1 << 64) - 1, 0x3ff0000000000000, rnd.getrandbits(64)])


def random_memory():
    """Much of it is pointers, lengths and text that hold, and some does not."""
    memory = bytearray()
    while len(memory) < SIZE:
        memory += rnd.choice([
            lambda: rnd.choice([0, 1, 2, 3, 4, 8, 96, 100, 104, 128]).to_bytes(4, 'little'),
            lambda: rnd.choice([0, 1, 2, 3, 4, 8, 96, 100, 104, 128]).to_bytes(4, 'little'),
            lambda: rnd.choice(['abcd', 'a\xe9b', '\u01ff\xfc', '\U0001f600', '\u20ac\x00']).encode('utf-8'),
            lambda: rnd.choice(['ab', '\xe9\u01ff', '\U0001f600', '\ud7ff\ue000']).encode('utf-16-le'),
            lambda: b'\x00\xd8A\x00', lambda: rnd.randbytes(4)])()
        memory += bytes(-len(memory) % 4)
    return memory[:SIZE]


def vector(spec, encoding, memory, flat=None, at=None):
    t = build(spec)
    cx = context(memory, encoding)
    kinds = flatten_type(t, cx.opts)
    if at is None and flat is None:
        flat = [random_core(k) for k in kinds]
    out = {'type': spec, 'encoding': encoding, 'memory': memory.hex(), 'core': flat, 'at': at}
    try:
        if at is None:
            value = lift_flat(cx, CoreValueIter([core(b, k) for b, k in zip(flat, kinds)]), t)
        else:
            trap_if(at != align_to(at, alignment(t, 'i32')) or at + elem_size(t, 'i32') > len(memory))
            value = load(cx, at, t)
    except Trap:
        out['trap'] = True
        return out
    out['value'], out['lowered'] = written(value, spec), []
    for to in ENCODINGS:
        heap = Heap()
        cx = context(heap.memory, to, heap.realloc)
        if at is None:
            result = [bits(v, k) for v, k in zip(lower_flat(cx, value, t), flatten_type(t, cx.opts))]
        else:
            [where] = heap.realloc([0, 0, alignment(t, 'i32'), elem_size(t, 'i32')])
            heap.calls.clear()
            store(cx, value, t, where)
            result = [where]
        out['lowered'].append({'encoding': to, 'core': result, 'memory': heap.memory[:heap.last].hex(),
                               'calls': heap.calls})
    return out


TEXTS = ['', 'a', 'hi', '\x00', 'a\x00b', '\x80', '\x80b', 'ab\xefc', '\u01ffy', 'xy\u01ff', 'a\ud7ffb', 'a\u02ff\u03ffbc',
         '\uf123', 'abc\U0001f600', '\U0010ffff\xe9']


def texts():
    for s in TEXTS:
        for encoding in ENCODINGS:
            forms = [('utf-8', 1, 0)] if encoding == 'utf8' else [('utf-16-le', 2, 0)] if encoding == 'utf16' else [
                ('latin-1', 1, 0), ('utf-16-le', 2, 1 << 31)]
            for codec, width, tag in forms:
                try:
                    b = s.encode(codec)
                except UnicodeEncodeError:
                    continue
                memory = bytearray(SIZE)
                memory[32:32 + len(b)] = b
                yield vector('string', encoding, memory, [32, len(b) // width | tag])
    for encoding, bad in [('utf8', b'\xff'), ('utf8', b'\xc3'), ('utf8', b'\xed\xa0\x80'), ('utf16', b'\x00\xd8'),
                          ('utf16', b'\x00\xdc\x00\xdc'), ('utf16', b'\x00\xd8a\x00')]:
        memory = bytearray(SIZE)
        memory[32:32 + len(bad)] = bad
        yield vector('string', encoding, memory, [32, len(bad) // (2 if encoding == 'utf16' else 1)])
    for encoding in ENCODINGS:
        for ptr, n in [(33, 2), (SIZE, 0), (SIZE - 1, 1), (SIZE - 1, 2), (0xffffffff, 1), (0, 0x7fffffff), (4, 0x80000001)]:
            yield vector('string', encoding, bytearray(SIZE), [ptr, n])


all_vectors = list(texts())
for name in PRIMITIVES:
    for _ in range(14):
        all_vectors.append(vector(name, 'utf8', random_memory()))
for n in range(300):
    while True:
        spec = random_type(3)
        if len(flatten_type(build(spec), context(bytearray(8), 'utf8').opts)) <= 16:
            break
    for _ in range(8):  # one that holds, if that can be had
        one = vector(spec, rnd.choice(ENCODINGS), random_memory(), at=None if n % 2 else rnd.choice([0, 4, 8, 16, 17, 116]))
        if 'trap' not in one or rnd.random() < .1:
            break
    all_vectors.append(one)
print('[\n' + ',\n'.join(json.dumps(v, separators=(',', ':')) for v in all_vectors) + '\n]')
