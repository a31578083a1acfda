// methods.js: every method once at least, with what it answers.
'use strict';
const {assert, client, ask, fail, floats, text, number, has, test, main, collect} = require('./kit.js');
const indices = client('lode.v1.Indices'), vectors = client('lode.v1.Vectors');
const namespaces = client('lode.v1.Namespaces'), snapshots = client('lode.v1.Snapshots');
const uuid = '123e4567-e89b-12d3-a456-426614174000';

test('indices are created, listed, got', async () => {
    const schema = {dim: 3, metric: 'METRIC_COSINE', scalar: 'SCALAR_F32', kind: 'INDEX_KIND_HNSW', m: 8,
                    ef_construction: 100, seed: '7', layout: 'LAYOUT_COMPACT',
                    fields: [{name: 'lang', type: 'FIELD_TYPE_KEYWORD'}, {name: 'year', type: 'FIELD_TYPE_INTEGER'}]};
    has(await ask(indices, 'Create', {name: 'films', schema}), {name: 'films', schema});
    has(await ask(indices, 'Create', {name: 'plain', schema: {dim: 2}}),
        {schema: {dim: 2, metric: 'METRIC_L2', m: 16, ef_construction: 200, fields: []}});
    has(await ask(indices, 'List'), {names: ['films', 'plain']});
    has(await ask(indices, 'Get', {name: 'films'}), {name: 'films', schema});
});

test('an index is what it was made', async () => {
    has(await ask(indices, 'Update', {name: 'plain', schema: {dim: 2}}), {name: 'plain', schema: {dim: 2}});
    has(await fail(indices, 'Update', {name: 'plain', schema: {dim: 3}}), {code: 3, field: 'dim'});
    const {schema} = await ask(indices, 'Get', {name: 'films'});
    has(await ask(indices, 'Update', {name: 'films', schema}), {schema});
    has(await fail(indices, 'Update', {name: 'films', schema: {fields: schema.fields.slice(1)}}), {code: 3, reason: 'immutable', field: 'fields'});
});

test('aliases', async () => {
    await ask(indices, 'SetAlias', {name: 'cinema', target: 'films'});
    has(await ask(indices, 'ListAliases'), {aliases: [{name: 'cinema', target: 'films'}]});
    has(await ask(indices, 'Get', {name: 'cinema'}), {schema: {dim: 3}});
    // What is read by it moves with it at once, and its old target is not held.
    await ask(indices, 'Create', {name: 'next', schema: {dim: 5}});
    await ask(indices, 'SetAlias', {name: 'cinema', target: 'next'});
    has(await ask(indices, 'Get', {name: 'cinema'}), {schema: {dim: 5}});
    await ask(indices, 'SetAlias', {name: 'cinema', target: 'films'});
    await ask(indices, 'Delete', {name: 'next'});
    await ask(indices, 'DeleteAlias', {name: 'cinema'});
    has(await fail(indices, 'Get', {name: 'cinema'}), {code: 5});
    has(await ask(indices, 'ListAliases'), {aliases: []});
});

test('points are upserted, as bytes and as numbers', async () => {
    has(await ask(vectors, 'Upsert', {index: 'films', points: [
        {id: number(0), vector: floats(1, 0, 0), metadata: '{"lang":"en","year":1990}', text: 'heat \u00e4'},
        {id: number('18446744073709551615'), values: [0, 1, 0], metadata: '{"lang":"fr","year":2000}'},
        {id: {uuid}, values: [0, 0, 1], metadata: '{"lang":"en","year":2010}'},
        {id: text('d'), values: [1, 1, 0], expires_at_ms: '4102444800000'}]}),
        {sequence: '1', upserted: '4', repeated: false});
});

const everything = {vector: true, metadata: true, text: true, version: true, expiry: true};

test('points are got', async () => {
    const {points} = await ask(vectors, 'Get', {index: 'films', with: everything,
                                                ids: [text('d'), text('0'), {uuid}, number(0), number('18446744073709551615')]});
    has(points, [{id: text('d'), expires_at_ms: '4102444800000', version: '1', metadata: ''},
                 {id: {uuid}, metadata: '{"lang":"en","year":2010}', vector: floats(0, 0, 1)},
                 {id: number('0'), text: 'heat \u00e4', vector: floats(1, 0, 0), score: 0},
                 {id: number('18446744073709551615')}]);
    assert.strictEqual(points[2].id.kind, 'number');
    const bare = await ask(vectors, 'Get', {index: 'films', ids: [number(0)]});
    has(bare.points, [{id: number('0'), vector: floats(), values: [], metadata: '', text: '', version: '0'}]);
    const fields = await ask(vectors, 'Get', {index: 'films', ids: [number(0)], with: {values: true, fields: ['year']}});
    has(fields.points, [{metadata: '{"year":1990}', values: [1, 0, 0]}]);
});

test('queries, by vector, values and like, with a filter', async () => {
    for (const query of [{vector: floats(1, 0.1, 0)}, {values: [1, 0.1, 0]}]) {
        const {hits, info} = await ask(vectors, 'Query', {index: 'films', query: {...query, k: 2}});
        has(hits, [{id: number('0')}, {id: text('d')}]);
        assert(hits[0].score > hits[1].score && hits[0].score <= 1);
        has(info, {sequence: '1', segments_damaged: 0});
    }
    has((await ask(vectors, 'Query', {index: 'films', query: {like: number(0), k: 1}})).hits, [{id: text('d')}]);
    has((await ask(vectors, 'Query', {index: 'films', query: {values: [0, 1, 0], filter: 'lang = "en"', exact: true}})).hits,
        [{}, {}]);
    has((await ask(vectors, 'Query', {index: 'films', query: {values: [0, 1, 0], filter: '{"year":{"gte":2005}}'}})).hits,
        [{id: {uuid}}]);
});

test('groups, one of each, explained', async () => {
    const {groups, hits} = await ask(vectors, 'Query', {index: 'films', query: {values: [1, 0, 0], k: 2, group_by: 'lang', per_group: 2}});
    has(groups, [{value: '"en"', hits: [{id: number('0')}, {id: {uuid}}]}, {value: '"fr"', hits: [{}]}]);
    has(hits, []);
    has((await ask(vectors, 'Query', {index: 'films', query: {values: [1, 0, 0], one_per: 'lang'}})).hits, [{}, {}, {}]);
    const {explanation} = await ask(vectors, 'Query', {index: 'films', query: {values: [1, 0, 0], filter: 'year > 1995', explain: true}});
    has(explanation, {filter: 'year > 1995', allowed_rows: '2', segments: [{plan: 'PLAN_SCAN', rows: '4', allowed_rows: '2'}]});
});

test('batches of queries', async () => {
    const {results} = await ask(vectors, 'QueryBatch', {index: 'films', queries: [
        {values: [1, 0, 0], k: 1}, {values: [0, 1, 0], k: 2, with: {metadata: true}}]});
    has(results, [{hits: [{id: number('0')}]}, {hits: [{metadata: '{"lang":"fr","year":2000}'}, {}]}]);
    has(await ask(vectors, 'QueryBatch', {index: 'films', queries: [
        {values: [1, 0, 0], k: 1, group_by: 'lang'}, {values: [1, 0, 0], k: 1}]}),
        {results: [{groups: [{value: '"en"'}]}, {hits: [{id: number('0')}]}]});
    has(await ask(vectors, 'QueryBatch', {index: 'films'}), {results: []});
});

test('scroll, count, facets, sample', async () => {
    const first = await ask(vectors, 'Scroll', {index: 'films', order_by: 'year', descending: true, limit: 2, with: {metadata: true}});
    has(first.points, [{id: {uuid}}, {id: number('18446744073709551615')}]);
    const second = await ask(vectors, 'Scroll', {index: 'films', order_by: 'year', descending: true, limit: 2, cursor: first.next});
    has(second, {points: [{id: number('0')}, {id: text('d')}], next: ''});
    has(await ask(vectors, 'Count', {index: 'films'}), {count: '4'});
    has(await ask(vectors, 'Count', {index: 'films', filter: 'lang = "en"'}), {count: '2'});
    has(await ask(vectors, 'Facets', {index: 'films', field: 'lang'}),
        {facets: [{value: '"en"', count: '2'}, {value: '"fr"', count: '1'}], distinct: '2', points: '4', missing: '1'});
    has(await ask(vectors, 'Sample', {index: 'films', count: 3, seed: 5}), {points: [{}, {}, {}]});
});

test('patches, by id and by filter', async () => {
    has(await ask(vectors, 'Patch', {index: 'films', changes: [
        {id: number(0), change: {metadata: '{"year":1991}', text: 'new'}},
        {id: text('d'), change: {never_expires: true}},
        {id: text('nobody'), change: {metadata: '{"year":1}'}}]}), {patched: '2', missing: '1'});
    has(await ask(vectors, 'Get', {index: 'films', ids: [number(0), text('d')], with: everything}),
        {points: [{metadata: '{"lang":"en","year":1991}', text: 'new', version: '2'}, {expires_at_ms: '0'}]});
    has(await ask(vectors, 'Patch', {index: 'films', filter: 'lang = "en"', change: {mode: 'PATCH_MODE_REMOVE', remove: ['year']}}),
        {patched: '2'});
    has(await ask(vectors, 'Patch', {index: 'films', changes: [{id: number(0), change: {mode: 'PATCH_MODE_SET', remove_text: true}}]}),
        {patched: '1'});
    has(await ask(vectors, 'Get', {index: 'films', ids: [number(0)], with: everything}), {points: [{metadata: '', text: ''}]});
});

test('conditions and idempotency keys', async () => {
    const point = {id: number(0), values: [1, 0, 0]};
    has(await fail(vectors, 'Upsert', {index: 'films', points: [{...point, condition: 'CONDITION_ABSENT'}]}),
        {code: 10, reason: 'conflict', field: 'points[0]'});
    has(await fail(vectors, 'Upsert', {index: 'films', points: [{...point, condition: 'CONDITION_VERSION', if_version: 1}]}),
        {code: 10, field: 'points[0]'});
    const once = {index: 'films', points: [{id: number(9), values: [1, 2, 3]}], idempotency_key: 'once'};
    const first = await ask(vectors, 'Upsert', once);
    has(await ask(vectors, 'Upsert', once), {sequence: first.sequence, repeated: true});
});

test('deletes, by id and by filter', async () => {
    has(await ask(vectors, 'Delete', {index: 'films', ids: [number(9), text('nobody')]}), {deleted: '1'});
    has(await ask(vectors, 'Delete', {index: 'films', filter: 'lang = "fr"'}), {deleted: '1'});
    has(await ask(vectors, 'Count', {index: 'films'}), {count: '3'});
});

test('namespaces', async () => {
    for (const namespace of ['anna', 'bert'])
        await ask(vectors, 'Upsert', {index: 'plain', namespace, points: [{id: number(1), values: [1, 2]}, {id: number(2), values: [2, 2]}]});
    has(await ask(namespaces, 'List', {index: 'plain'}), {namespaces: [{name: 'anna', points: '2'}, {name: 'bert'}], next: ''});
    has(await ask(namespaces, 'List', {index: 'plain', limit: 1}), {namespaces: [{name: 'anna'}], next: 'anna'});
    has(await ask(namespaces, 'List', {index: 'plain', after: 'anna'}), {namespaces: [{name: 'bert'}]});
    has(await ask(namespaces, 'Get', {index: 'plain', namespace: 'anna'}), {points: '2', vector_bytes: '16'});
    has(await ask(vectors, 'Count', {index: 'plain'}), {count: '0'});
    has(await ask(vectors, 'Query', {index: 'plain', namespace: 'anna', query: {values: [1, 2], k: 1}}), {hits: [{id: number('1')}]});
    has(await ask(namespaces, 'Delete', {index: 'plain', namespace: 'anna'}), {deleted: '2'});
    has(await fail(namespaces, 'Get', {index: 'plain', namespace: 'anna'}), {code: 5, field: 'namespace'});
    has(await fail(namespaces, 'Delete', {index: 'plain', namespace: 'anna'}), {code: 5});
});

test('snapshots', async () => {
    has(await ask(snapshots, 'Create', {index: 'films', name: 'before'}), {name: 'before', points: '3', damaged: false});
    await ask(vectors, 'Upsert', {index: 'films', points: [{id: text('later'), values: [1, 1, 1]}]});
    has(await ask(vectors, 'Count', {index: 'films', snapshot: 'before'}), {count: '3'});
    has(await ask(vectors, 'Count', {index: 'films'}), {count: '4'});
    has((await ask(vectors, 'Query', {index: 'films', snapshot: 'before', query: {values: [1, 1, 1]}})).hits, [{}, {}, {}]);
    has(await ask(snapshots, 'List', {index: 'films'}), {snapshots: [{name: 'before'}]});
    await ask(snapshots, 'Delete', {index: 'films', name: 'before'});
    has(await ask(snapshots, 'List', {index: 'films'}), {snapshots: []});
    has(await fail(vectors, 'Count', {index: 'films', snapshot: 'before'}), {code: 5});
});

test('statistics, flush, compaction', async () => {
    await ask(indices, 'Flush', {index: 'films'});
    await ask(indices, 'Compact', {index: 'films'});
    const stats = await ask(indices, 'Stats', {index: 'films'});
    has(stats, {points: '4', jobs: [], job_error: '', text_model_version: 0});
    assert(stats.segments.some((one) => one.state === 'SEGMENT_STATE_SEALED' && one.rows === '4'), JSON.stringify(stats.segments));
    assert(Number(stats.disk_bytes) > 0 && Number(stats.sequence) > 5);
    const query = stats.latencies.find((one) => one.operation === 'query');
    assert(Number(query.count) > 5 && query.p50_us > 0 && query.p99_us >= query.p50_us);
    const other = await ask(indices, 'Stats', {index: 'plain'});
    assert(Number(other.latencies.find((one) => one.operation === 'query').count) < Number(query.count));
    assert(Number(stats.segment_bytes) > 0 && Number(stats.disk_bytes) >= Number(stats.segment_bytes) + Number(stats.other_bytes));
    has(stats, {growing_rows: '0', unindexed_rows: '4', delayed_writes: '0'});
});

test('import and export', async () => {
    const answer = await new Promise((resolve, reject) => {
        const stream = vectors.Import((error, got) => error ? reject(error) : resolve(got));
        stream.write({index: 'plain', namespace: 'carl', ack: 'ACK_LOGGED', points: [{id: number(1), values: [1, 1]}]});
        stream.end({points: [{id: number(2), values: [2, 2], metadata: '{"x":1}'}]});
    });
    has(answer, {points: '2', batches: '1'});
    const {messages, error} = await collect(vectors.Export({index: 'plain', namespace: 'carl', with: {vector: true, metadata: true}}));
    assert.strictEqual(error, null);
    has(messages.flatMap((one) => one.points), [{id: number('1'), vector: floats(1, 1)}, {id: number('2'), metadata: '{"x":1}'}]);
    const some = await collect(vectors.Export({index: 'plain', namespace: 'carl', filter: 'x = 1'}));
    has(some.messages.flatMap((one) => one.points), [{id: number('2')}]);
});

test('indices are deleted', async () => {
    await ask(indices, 'Delete', {name: 'plain'});
    has(await ask(indices, 'List'), {names: ['films']});
    has(await fail(vectors, 'Count', {index: 'plain'}), {code: 5, reason: 'not_found'});
});

main();
