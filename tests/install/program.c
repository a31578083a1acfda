/* What a program written against an installed Lode looks like. Built by test_install.sh. */
#include <lode/lode.h>
#include <stdio.h>

static int search(lode_collection *films)
{
    const float vectors[2][3] = {{1, 0, 0}, {0, 1, 0}};
    const lode_point points[2] = {
        {.id = lode_id_number(7), .vector = vectors[0]},
        {.id = lode_id_number(8), .vector = vectors[1]},
    };
    const float query[3] = {0.1f, 0.9f, 0};
    lode_search_request request = {.vector = query, .k = 1};
    lode_result *result = NULL;
    lode_error error = {0};

    if (lode_upsert(films, points, 2, NULL, &error) != LODE_OK ||
        lode_search(films, &request, &result, &error) != LODE_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 0;
    }
    int found = result->hit_count == 1 && result->hits[0].id.number == 8;
    lode_result_free(result);
    return found;
}

int main(int argc, char **argv)
{
    lode_db *db = NULL;
    lode_collection *films = NULL;
    lode_schema schema = {.dim = 3};
    lode_error error = {0};

    if (argc != 2 || lode_db_open(argv[1], NULL, &db, &error) != LODE_OK ||
        lode_collection_create(db, "films", &schema, &films, &error) != LODE_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    int found = search(films);
    lode_collection_close(films);
    lode_db_close(db);
    printf("lode %s\n", lode_version());
    return found ? 0 : 1;
}
