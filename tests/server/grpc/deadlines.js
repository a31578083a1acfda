// deadlines.js: calls that may not take as long as they do, and callers that go.
'use strict';
const {assert, client, ask, fail, failure, floats, number, has, test, main, raw, frame, sleep} = require('./kit.js');
const indices = client('lode.v1.Indices'), vectors = client('lode.v1.Vectors');
const DIM = 256;

test('an index whose exact search takes long', async () => {
    await ask(indices, 'Create', {name: 'd', schema: {dim: DIM, kind: 'INDEX_KIND_FLAT'}});
    for (let i = 0; i < 5; i++) {
        const points = Array.from({length: 8000}, (_, k) => ({id: number(i * 8000 + k), vector: floats(Array.from({length: DIM}, (_, j) => (k * 7 + j * 13 + i) % 17))}));
        await ask(vectors, 'Upsert', {index: 'd', points, ack: 'ACK_APPLIED'});
    }
});

// Some 2,000 scans of 40,000 x 256.
const slow = () => ({index: 'd', queries: Array.from({length: 2000}, (_, i) => ({
    vector: floats(Array.from({length: DIM}, (_, j) => (i + j) % 5)), k: 5, exact: true, group_by: ''}))});

test('a deadline', async () => {
    const begin = Date.now();
    const error = await fail(vectors, 'QueryBatch', slow(), {deadline: Date.now() + 300});
    assert.strictEqual(error.code, 4);
    assert(Date.now() - begin < 5000, `${Date.now() - begin} ms`);
});

test('the server itself keeps to it', async () => {
    // The timeout stands in the header alone: the client would wait.
    const message = Buffer.from([0x0a, 1, 'd'.charCodeAt(0)]);
    const body = Buffer.concat([message, ...slow().queries.map((one) => {
        const inner = Buffer.concat([Buffer.from([0x0a]), Buffer.from([0x80, 0x08]), one.vector, Buffer.from([0x40, 1])]);
        assert.strictEqual(one.vector.length, 1024);
        const head = Buffer.from([0x1a, (inner.length & 0x7f) | 0x80, inner.length >> 7]);
        return Buffer.concat([head, inner]);
    })]);
    const begin = Date.now();
    const answer = await raw('/lode.v1.Vectors/QueryBatch', frame(body), {'grpc-timeout': '200m'});
    assert.strictEqual(answer.headers['grpc-status'], '4');
    assert(Date.now() - begin >= 190 && Date.now() - begin < 5000, `${Date.now() - begin} ms`);
});

test('a deadline that has room', async () => {
    has((await ask(vectors, 'Query', {index: 'd', query: {vector: floats(new Array(DIM).fill(1)), k: 3}}, {deadline: Date.now() + 20000})).hits, [{}, {}, {}]);
});

test('a cancelled call', async () => {
    const code = await new Promise((resolve) => {
        const call = vectors.QueryBatch(slow(), (error) => resolve(error && error.code));
        setTimeout(() => call.cancel(), 100);
    });
    assert.strictEqual(code, 1);
});

test('the server answers others meanwhile and afterwards', async () => {
    const calls = [];
    for (let i = 0; i < 3; i++) {
        const call = vectors.QueryBatch(slow(), () => {});
        calls.push(call);
    }
    await sleep(50);
    calls.forEach((call) => call.cancel());
    has(await ask(vectors, 'Count', {index: 'd'}, {deadline: Date.now() + 30000}), {count: '40000'});
});

main();
