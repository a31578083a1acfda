// errors.js: what is refused, with which status, code and field.
'use strict';
const http = require('node:http');
const {assert, client, ask, fail, floats, number, text, has, test, main, raw, frame} = require('./kit.js');
const indices = client('lode.v1.Indices'), vectors = client('lode.v1.Vectors');
const query = '/lode.v1.Vectors/Query';

const INVALID = 3, NOT_FOUND = 5, EXISTS = 6, EXHAUSTED = 8, UNIMPLEMENTED = 12;

test('an index to ask of', async () => {
    await ask(indices, 'Create', {name: 'e', schema: {dim: 2, fields: [{name: 'n', type: 'FIELD_TYPE_INTEGER'}]}});
    await ask(vectors, 'Upsert', {index: 'e', points: [{id: number(1), values: [1, 2], metadata: '{"n":1}'}]});
});

test('statuses of the engine', async () => {
    has(await fail(indices, 'Create', {name: 'e', schema: {dim: 2}}), {code: EXISTS, reason: 'exists'});
    has(await fail(indices, 'Create', {name: 'x', schema: {}}), {code: INVALID});
    has(await fail(indices, 'Create', {name: 'x'}), {code: INVALID, field: 'schema'});
    has(await fail(indices, 'Create', {name: 'a/b', schema: {dim: 2}}), {code: INVALID});
    has(await fail(indices, 'Get', {name: 'nobody'}), {code: NOT_FOUND});
    has(await fail(indices, 'Get', {}), {code: INVALID, field: 'name'});
    has(await fail(indices, 'Delete', {name: 'nobody'}), {code: NOT_FOUND});
    has(await fail(indices, 'SetAlias', {name: 'a', target: 'nobody'}), {code: NOT_FOUND});
    has(await fail(vectors, 'Count', {index: 'nobody'}), {code: NOT_FOUND, details: "there is no index 'nobody'"});
    has(await fail(vectors, 'Count', {}), {code: INVALID, field: 'index'});
    has(await fail(vectors, 'Count', {index: 'e', filter: 'n = '}), {code: INVALID, reason: 'invalid', field: 'filter'});
    has(await fail(vectors, 'Count', {index: 'e', filter: 'm = 1'}), {code: INVALID, reason: 'schema', field: 'filter'});
    has(await fail(vectors, 'Facets', {index: 'e', field: 'nofield'}), {code: INVALID, reason: 'schema'});
    has(await fail(vectors, 'Scroll', {index: 'e', cursor: '!!'}), {code: INVALID});
    has(await fail(vectors, 'Scroll', {index: 'e', limit: 20000}), {code: INVALID, reason: 'limit', field: 'limit'});
    has(await fail(vectors, 'Facets', {index: 'e', field: 'n', limit: 10001}), {code: INVALID, reason: 'limit', field: 'limit'});
    has(await fail(vectors, 'Get', {index: 'e', ids: Array.from({length: 10001}, (_, i) => number(i))}), {code: INVALID, reason: 'limit', field: 'ids'});
});

test('points', async () => {
    const upsert = (point) => fail(vectors, 'Upsert', {index: 'e', points: [{id: number(7), values: [1, 1]}, point]});
    has(await upsert({id: number(1), values: [1]}), {code: INVALID, reason: 'schema', field: 'points[1].vector'});
    has(await upsert({id: number(1), vector: Buffer.alloc(7)}), {code: INVALID, field: 'points[1].vector'});
    has(await upsert({id: number(1), vector: floats(1, 2), values: [1, 2]}), {code: INVALID, field: 'points[1].vector'});
    has(await upsert({id: number(1), vector: floats(1, NaN)}), {code: INVALID, field: 'points[1]'});
    has(await upsert({values: [1, 2]}), {code: INVALID, field: 'points[1].id'});
    has(await upsert({id: {uuid: 'no'}, values: [1, 2]}), {code: INVALID, field: 'points[1].id'});
    has(await upsert({id: text(''), values: [1, 2]}), {code: INVALID, field: 'points[1].id'});
    has(await upsert({id: text('x'.repeat(513)), values: [1, 2]}), {code: INVALID, field: 'points[1].id'});
    has(await upsert({id: number(1), values: [1, 2], metadata: '{"n":"one"}'}), {code: INVALID, reason: 'schema', field: 'points[1]'});
    has(await upsert({id: number(1), values: [1, 2], metadata: '{'}), {code: INVALID, field: 'points[1]'});
    has(await upsert({id: number(1)}), {code: INVALID, field: 'points[1]'});
    has(await upsert({id: number(1), values: [1, 2], expires_at_ms: 5}), {code: INVALID, field: 'points[1]'});
    has(await fail(vectors, 'Upsert', {index: 'e'}), {code: INVALID, field: 'points'});
    has(await fail(vectors, 'Upsert', {index: 'e', points: [{id: number(1), values: [1, 2]}], idempotency_key: 'x'.repeat(256)}),
        {code: INVALID, field: 'idempotency_key'});
    const many = Array.from({length: 10001}, (_, i) => ({id: number(i), vector: floats(1, 2)}));
    has(await fail(vectors, 'Upsert', {index: 'e', points: many}), {code: EXHAUSTED, field: 'points'});
    has(await ask(vectors, 'Count', {index: 'e'}), {count: '1'}); // nothing was half-applied
});

test('deletes and patches', async () => {
    has(await fail(vectors, 'Delete', {index: 'e'}), {code: INVALID, field: 'ids'});
    has(await fail(vectors, 'Delete', {index: 'e', ids: [number(1)], filter: 'n = 1'}), {code: INVALID, field: 'filter'});
    has(await fail(vectors, 'Delete', {index: 'e', filter: 'n = 1', idempotency_key: 'k'}), {code: INVALID, field: 'idempotency_key'});
    has(await fail(vectors, 'Patch', {index: 'e', changes: [{id: number(1)}]}), {code: INVALID, field: 'changes[0].change'});
    has(await fail(vectors, 'Patch', {index: 'e', changes: [{id: number(1), change: {}}]}), {code: INVALID, field: 'changes[0]'});
    has(await fail(vectors, 'Patch', {index: 'e', filter: 'n = 1'}), {code: INVALID, field: 'change'});
    has(await fail(vectors, 'Patch', {index: 'e', changes: [{id: number(1), change: {text: 'a', remove_text: true}}]}), {code: INVALID});
});

test('queries', async () => {
    const refused = (one) => fail(vectors, 'Query', {index: 'e', query: one});
    has(await refused(undefined), {code: INVALID, field: 'query'});
    has(await refused({}), {code: INVALID, field: 'query'});
    has(await refused({values: [1, 2], text: 'x'}), {code: INVALID, field: 'query'});
    has(await refused({values: [1, 2, 3]}), {code: INVALID, field: 'query'});
    has(await refused({values: [1, 2], k: 20000}), {code: INVALID, reason: 'limit', field: 'query.k'});
    has(await refused({values: [1, 2], k: 4294967295, group_by: 'n', per_group: 4294967295}), {code: INVALID, reason: 'limit', field: 'query.k'});
    has(await refused({values: [1, 2], per_group: 2}), {code: INVALID, field: 'query'});
    has(await refused({values: [1, 2], one_per: 'n', group_by: 'n'}), {code: INVALID, field: 'query'});
    has(await refused({like: number(77)}), {code: NOT_FOUND});
    has(await refused({values: [1, 2], ef_search: 4000000000}), {code: INVALID});
    has(await fail(vectors, 'QueryBatch', {index: 'e', queries: [{values: [1, 2]}, {values: [1]}]}), {code: INVALID, field: 'queries[1]'});
    has(await fail(vectors, 'QueryBatch', {index: 'e', queries: [{values: [1, 2]}, {values: [1, 2], k: 20000}]}), {code: INVALID, reason: 'limit', field: 'queries[1].k'});
    has(await fail(vectors, 'QueryBatch', {index: 'e', queries: Array.from({length: 10001}, () => ({values: [1, 2]}))}), {code: INVALID, reason: 'limit', field: 'queries'});
});

test('messages of UTF-8 in errors', async () => {
    has(await fail(vectors, 'Count', {index: 'e', filter: 'gr\u00f6\u00dfe = "\u4e2d"'}), {code: INVALID});
    assert.match((await fail(vectors, 'Count', {index: 'e', filter: 'gr\u00f6\u00dfe = 1'})).details, /gr\u00f6\u00dfe/);
});

// --- What no client library sends ---

const count = Buffer.from([0x0a, 1, 'e'.charCodeAt(0)]); // of "e"

async function refused(body, headers = {}, path = '/lode.v1.Vectors/Count') {
    const answer = await raw(path, body, headers);
    assert.strictEqual(answer.headers[':status'], 200);
    assert.strictEqual(answer.headers['content-type'], 'application/grpc');
    assert.strictEqual(Buffer.concat(answer.data).length, 0);
    return {status: Number(answer.headers['grpc-status']), code: answer.headers['lode-code'],
            field: answer.headers['lode-field'], encoding: answer.headers['grpc-accept-encoding']};
}

test('frames', async () => {
    const right = await raw('/lode.v1.Vectors/Count', frame(count));
    assert.strictEqual(right.trailers['grpc-status'], '0');
    assert.deepStrictEqual(Buffer.concat(right.data), frame(Buffer.from([8, 1])));
    has(await refused(frame(count, 1), {'grpc-encoding': 'gzip'}), {status: UNIMPLEMENTED, code: 'compressed', encoding: 'identity'});
    has(await refused(frame(count, 2)), {status: INVALID, code: 'malformed'});
    has(await refused(Buffer.alloc(0)), {status: UNIMPLEMENTED, code: 'cardinality'});
    has(await refused(Buffer.concat([frame(count), frame(count)])), {status: UNIMPLEMENTED, code: 'cardinality'});
    has(await refused(frame(count).subarray(0, 6)), {status: INVALID, code: 'malformed'});
    has(await refused(frame(count).subarray(0, 3)), {status: INVALID, code: 'malformed'});
    const huge = Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]);
    has(await refused(huge), {status: EXHAUSTED, code: 'too_large'});
});

test('messages that are none', async () => {
    has(await refused(frame(Buffer.from([0x0a, 2, 0xff, 0xfe]))), {status: INVALID, field: 'index'});
    has(await refused(frame(Buffer.from([0x0a, 2, 0x61, 0]))), {status: INVALID, field: 'index'});
    has(await refused(frame(Buffer.from([0x0a, 9, 0x61]))), {status: INVALID});
    has(await refused(frame(Buffer.from([0x0b, 0x0c]))), {status: INVALID});
    has(await refused(frame(Buffer.from([0x20, 9])), {}, '/lode.v1.Vectors/Upsert'), {status: INVALID, field: 'ack'});
});

test('what is unknown is passed over', async () => {
    const newer = Buffer.concat([count, Buffer.from([0xfa, 0x7f, 3, 1, 2, 3])]);
    assert.strictEqual((await raw('/lode.v1.Vectors/Count', frame(newer))).trailers['grpc-status'], '0');
});

test('methods and types that there are not', async () => {
    has(await refused(frame(count), {}, '/lode.v1.Vectors/Nope'), {status: UNIMPLEMENTED});
    has(await refused(frame(count), {}, '/lode.v1.Vectors'), {status: UNIMPLEMENTED});
    has(await refused(frame(count), {}, '/indices'), {status: UNIMPLEMENTED});
    has(await refused(frame(count), {'content-type': 'application/grpc+json'}), {status: UNIMPLEMENTED});
    const proto = await raw('/lode.v1.Vectors/Count', frame(count), {'content-type': 'application/grpc+proto'});
    assert.strictEqual(proto.trailers['grpc-status'], '0');
    const web = await raw('/lode.v1.Vectors/Count', frame(count), {'content-type': 'application/grpc-web'});
    assert.notStrictEqual(web.headers[':status'], 200);
});

test('over HTTP/1.1 there is no gRPC', async () => {
    const [host, port] = process.argv[2].split(':');
    const answer = await new Promise((resolve, reject) => {
        const request = http.request({host, port, method: 'POST', path: '/lode.v1.Vectors/Count',
                                      headers: {'content-type': 'application/grpc'}}, resolve);
        request.on('error', reject);
        request.end(frame(count));
    });
    assert.strictEqual(answer.statusCode, 200);
    has(answer.headers, {'grpc-status': '12', 'grpc-message': 'gRPC needs HTTP/2'});
    answer.resume();
});

test('a big message', async () => {
    const points = Array.from({length: 10000}, (_, i) => ({id: number(i + 10), vector: floats(i, 1), text: 'x'.repeat(1000)}));
    has(await ask(vectors, 'Upsert', {index: 'e', points}), {upserted: '10000'});
    const {hits} = await ask(vectors, 'Query', {index: 'e', query: {values: [5, 1], k: 10000, exact: true, with: {text: true}}});
    assert.strictEqual(hits.length, 10000);
    has(await fail(vectors, 'Upsert', {index: 'e', points: points.map((one) => ({...one, text: 'x'.repeat(2000)}))}),
        {code: EXHAUSTED, reason: 'too_large'});
});

main();
