// streams.js: imports and exports of many points, with clients that are slow, wrong or gone.
'use strict';
const fs = require('node:fs');
const {assert, client, ask, failure, floats, number, has, test, main, collect, sleep} = require('./kit.js');
const indices = client('lode.v1.Indices'), vectors = client('lode.v1.Vectors');
const POINTS = 100000, DIM = 32, CHUNK = 500;

function serverMemory() {
    const status = fs.readFileSync(`/proc/${process.env.SERVER_PID}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1024;
}

const vector = (i) => floats(Array.from({length: DIM}, (_, k) => ((i * 31 + k * 7) % 101) / 101));

// Sends messages of CHUNK points, waiting where the stream says so.
async function importPoints(head, count, make = (i) => ({id: number(i), vector: vector(i), metadata: `{"i":${i}}`})) {
    let stream;
    const done = new Promise((resolve) => {
        stream = vectors.Import((error, answer) => resolve({error: error && failure(error), answer}));
    });
    let ended = false;
    done.then(() => { ended = true; });
    for (let i = 0; i < count && !ended; i += CHUNK) {
        const points = [];
        for (let k = i; k < Math.min(i + CHUNK, count); k++)
            points.push(make(k));
        if (!stream.write(i === 0 ? {...head, points} : {points}))
            await Promise.race([done, new Promise((resolve) => stream.once('drain', resolve))]);
    }
    stream.end();
    return done;
}

test('100,000 points in', async () => {
    await ask(indices, 'Create', {name: 's', schema: {dim: DIM, kind: 'INDEX_KIND_FLAT'}});
    const {error, answer} = await importPoints({index: 's', ack: 'ACK_LOGGED', idempotency_key: 'load'}, POINTS);
    assert.strictEqual(error, null, JSON.stringify(error));
    has(answer, {points: String(POINTS), batches: '100', repeated_batches: '0'});
    has(await ask(vectors, 'Count', {index: 's'}), {count: String(POINTS)});
});

test('once more with the same key', async () => {
    const before = (await ask(indices, 'Stats', {index: 's'})).sequence;
    const {answer} = await importPoints({index: 's', ack: 'ACK_LOGGED', idempotency_key: 'load'}, POINTS);
    has(answer, {points: String(POINTS), repeated_batches: '100'});
    assert.strictEqual((await ask(indices, 'Stats', {index: 's'})).sequence, before);
});

test('100,000 points out, each once', async () => {
    const seen = new Set();
    let largest = 0;
    const {error} = await collect(vectors.Export({index: 's', with: {vector: true, metadata: true}}), ({points}) => {
        largest = Math.max(largest, points.length);
        for (const point of points) {
            assert(!seen.has(point.id.number));
            seen.add(point.id.number);
            const i = Number(point.id.number);
            if (i % 997 === 0)
                has(point, {vector: vector(i), metadata: `{"i":${i}}`});
        }
    });
    assert.strictEqual(error, null);
    assert.strictEqual(seen.size, POINTS);
    assert(largest < 1000, `${largest} points in one message`);
});

test('an export waits for who reads slowly', async () => {
    const before = serverMemory();
    const stream = vectors.Export({index: 's', with: {vector: true, metadata: true}});
    let points = 0;
    await new Promise((resolve, reject) => {
        stream.on('error', reject);
        stream.on('end', resolve);
        stream.on('data', (message) => {
            points += message.points.length;
            if (points < 5000) {
                stream.pause();
                setTimeout(() => stream.resume(), 200);
            }
        });
    });
    assert.strictEqual(points, POINTS);
    assert(serverMemory() - before < 64 << 20, `${serverMemory() - before} bytes more`);
});

test('an export that is cancelled ends', async () => {
    const stream = vectors.Export({index: 's', with: {vector: true}});
    const over = new Promise((resolve) => stream.on('error', resolve));
    stream.once('data', () => stream.cancel());
    assert.strictEqual((await over).code, 1);
    // Its thread is free again: more exports than there are threads go on.
    for (let i = 0; i < 6; i++) {
        const one = vectors.Export({index: 's', with: {vector: true}});
        const gone = new Promise((resolve) => one.on('error', resolve));
        one.once('data', () => one.cancel());
        await gone;
    }
    const {messages} = await collect(vectors.Export({index: 's', filter: 'i < 10'}));
    assert.strictEqual(messages.flatMap((one) => one.points).length, 10);
});

test('an index is deleted under exports and imports', async () => {
    await ask(indices, 'Create', {name: 'd', schema: {dim: DIM, kind: 'INDEX_KIND_FLAT'}});
    await importPoints({index: 'd', ack: 'ACK_APPLIED'}, 50000);
    const exported = vectors.Export({index: 'd', with: {vector: true, values: true}});
    const over = new Promise((resolve) => exported.on('error', resolve));
    exported.once('data', () => exported.pause());
    const imported = new Promise((resolve) => {
        const stream = vectors.Import((error) => resolve(error && failure(error)));
        stream.write({index: 'd', points: [{id: number(1), vector: vector(1)}]});
        setTimeout(() => { exported.resume(); exported.on('data', () => {}); stream.write({points: []}); stream.write({points: []}); }, 500);
    });
    await sleep(200);
    const begin = Date.now();
    await ask(indices, 'Delete', {name: 'd'});
    assert(Date.now() - begin < 10000);
    has(failure(await over), {code: 9, reason: 'busy'});
    has(await imported, {code: 9, reason: 'busy'});
});

test('what was written before a bad point stays, and is told', async () => {
    await ask(indices, 'Create', {name: 't', schema: {dim: 2}});
    const make = (i) => ({id: number(i), vector: i === 7250 ? floats(1) : floats(i, 1)});
    const {error} = await importPoints({index: 't', ack: 'ACK_APPLIED'}, 20000, make);
    has(error, {code: 3, reason: 'schema', field: 'points[7250].vector', written: '7250'});
    has(await ask(vectors, 'Count', {index: 't'}), {count: '7250'});
    const nan = await importPoints({index: 't', ack: 'ACK_APPLIED'}, 3000, (i) => ({id: number(i), vector: i === 2100 ? floats(NaN, 1) : floats(1, 2)}));
    has(nan.error, {code: 3, reason: 'invalid', field: 'points[2100]', written: '2100'});
});

test('imports that begin wrongly', async () => {
    const one = (...messages) => new Promise((resolve) => {
        const stream = vectors.Import((error, answer) => resolve(error ? failure(error) : answer));
        messages.forEach((message) => stream.write(message));
        stream.end();
    });
    has(await one(), {code: 3, field: 'index'});
    has(await one({points: []}), {code: 3, field: 'index'});
    has(await one({index: 'nobody'}), {code: 5});
    has(await one({index: 't'}, {index: 't'}), {code: 3, field: 'index'});
    has(await one({index: 't'}), {points: '0', batches: '0'});
    has(await one({index: 't', points: Array.from({length: 10001}, (_, i) => ({id: number(i), vector: floats(1, 1)}))}),
        {code: 3, field: 'points'});
});

test('an import that is cancelled ends', async () => {
    const stream = vectors.Import(() => {});
    stream.on('error', () => {});
    stream.write({index: 't', points: [{id: number('99999'), vector: floats(1, 1)}]});
    await sleep(50);
    stream.cancel();
    await sleep(200);
    const begin = Date.now();
    await ask(indices, 'Delete', {name: 't'}); // which waits for whoever has it
    assert(Date.now() - begin < 10000);
});

main();
