/* le.h: explicit little-endian loads and stores at any alignment. */
#ifndef BASE_LE_H
#define BASE_LE_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Lode maps its files in place and needs a little-endian machine"
#endif

static inline uint16_t le_load_u16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint32_t le_load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint64_t le_load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline float le_load_f32(const void *p)
{
    float v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void le_store_u16(void *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void le_store_u32(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void le_store_u64(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void le_store_f32(void *p, float v)
{
    memcpy(p, &v, sizeof v);
}

#endif
