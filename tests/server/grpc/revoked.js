// revoked.js: streams whose key is revoked while they are under way.
'use strict';
const {execFileSync} = require('node:child_process');
const {assert, grpc, client, ask, fail, failure, floats, number, has, test, main, sleep} = require('./kit.js');
const keys = JSON.parse(process.env.KEYS);
const indices = client('lode.v1.Indices'), vectors = client('lode.v1.Vectors');
const DIM = 64, POINTS = 50000;
const UNAUTHENTICATED = 16;

function as(name) {
    const metadata = new grpc.Metadata();
    metadata.set('authorization', 'Bearer ' + keys[name].key);
    return metadata;
}

// Revoke the key, and wait until the server knows.
async function revoke(name) {
    execFileSync(process.env.LODE_BIN, ['key', 'revoke', process.env.DATA, keys[name].id], {stdio: 'ignore'});
    for (;;) {
        try {
            await ask(indices, 'List', {}, {}, as(name));
        } catch (error) {
            return has(failure(error), {code: UNAUTHENTICATED, reason: 'revoked'});
        }
        await sleep(50);
    }
}

const count = async (index) => Number((await ask(vectors, 'Count', {index}, {}, as('admin'))).count);
const points = (first, n) => Array.from({length: n}, (_, i) => ({id: number(first + i), vector: floats(new Array(DIM).fill(i % 7 + 1))}));

test('an import ends, and what it has not written yet stays unwritten', async () => {
    await ask(indices, 'Create', {name: 'r', schema: {dim: DIM, kind: 'INDEX_KIND_FLAT'}}, {}, as('admin'));
    let stream;
    const done = new Promise((resolve) => { stream = vectors.Import(as('loader'), (error) => resolve(error && failure(error))); });
    stream.write({index: 'r', points: points(0, 1000)}); // a batch
    stream.write({points: points(1000, 10)});            // the beginning of one
    while (await count('r') < 1000)
        await sleep(20);
    await revoke('loader');
    stream.write({points: points(1010, 10)});
    stream.end();
    has(await done, {code: UNAUTHENTICATED, reason: 'revoked', written: '1000'});
    assert.strictEqual(await count('r'), 1000);
});

test('an export ends before all of it was sent', async () => {
    for (let first = 0; first < POINTS; first += 10000)
        await ask(vectors, 'Upsert', {index: 'r', points: points(first, 10000), ack: 'ACK_APPLIED'}, {}, as('admin'));
    const stream = vectors.Export({index: 'r', with: {vector: true}}, as('reader'));
    let seen = 0;
    const over = new Promise((resolve) => {
        stream.on('error', (error) => resolve(failure(error)));
        stream.on('end', () => resolve(null));
    });
    const first = new Promise((resolve) => stream.once('data', () => { stream.pause(); resolve(); }));
    await first;
    stream.on('data', (message) => { seen += message.points.length; });
    stream.pause();
    await revoke('reader');
    stream.resume();
    has(await over, {code: UNAUTHENTICATED, reason: 'revoked'});
    assert(seen < POINTS, `${seen} points`);
});

test('a stream of reflection answers no more', async () => {
    const stream = client('grpc.reflection.v1.ServerReflection').ServerReflectionInfo(as('looker'));
    const over = new Promise((resolve) => stream.on('error', (error) => resolve(failure(error))));
    const answered = new Promise((resolve) => stream.once('data', resolve));
    stream.write({list_services: ''});
    await answered;
    await revoke('looker');
    stream.write({list_services: ''});
    has(await over, {code: UNAUTHENTICATED, reason: 'revoked'});
});

main();
