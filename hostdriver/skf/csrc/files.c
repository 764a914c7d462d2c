/* Files, GM/T 0016 § 7.4. */
#include <stdlib.h>
#include <string.h>

#include "objects.h"

enum {
    CREATE_FILE = 0x30,
    DELETE_FILE = 0x32,
    ENUM_FILES = 0x34,
    GET_FILE_INFO = 0x36,
    READ_FILE = 0x38,
    WRITE_FILE = 0x3A,
    INFO_SIZE = 12,
    PIECE = 1024, /* bytes in one command, as other hosts do it */
    OVERHEAD = 64, /* of WriteFile's data: identifiers, offset, name */
    LAST_OFFSET = 0xFFFF
};

static void begin(struct call *call, const char *function, HAPPLICATION handle) {
    call_begin(call, function, handle, APPLICATION);
    call->on_not_found = SAR_FILE_NOT_EXIST;
    call->on_exists = SAR_FILE_ALREADY_EXIST;
    call->on_conditions = SAR_FILEERR; /* nobody has the right */
}

static size_t check_name(struct call *call, const char *name) {
    return given_length(call, name, dialect_of(call)->file_name, SAR_NAMELENERR);
}

static size_t piece_size(const struct call *call) {
    size_t most = max_data(call) - OVERHEAD;
    return most < PIECE ? most : PIECE;
}

ULONG DEVAPI SKF_CreateFile(HAPPLICATION hApplication, LPSTR szFileName, ULONG ulFileSize, ULONG ulReadRights,
                            ULONG ulWriteRights) {
    struct call call;
    begin(&call, __func__, hApplication);
    size_t length = check_name(&call, szFileName);
    put_padded(&call, szFileName, length, dialect_of(&call)->file_name);
    put_u32(&call, ulFileSize);
    put_u32(&call, ulReadRights);
    put_u32(&call, ulWriteRights);
    call_send_at_app(&call, CREATE_FILE, 0);
    return call_end(&call);
}

ULONG DEVAPI SKF_DeleteFile(HAPPLICATION hApplication, LPSTR szFileName) {
    struct call call;
    begin(&call, __func__, hApplication);
    put(&call, szFileName, check_name(&call, szFileName));
    call_send_at_app(&call, DELETE_FILE, 0);
    return call_end(&call);
}

ULONG DEVAPI SKF_EnumFiles(HAPPLICATION hApplication, LPSTR szFileList, ULONG *pulSize) {
    struct call call;
    begin(&call, __func__, hApplication);
    call_send_at_app(&call, ENUM_FILES, ALL);
    hand_over_names(&call, szFileList, pulSize);
    return call_end(&call);
}

static void get_info(struct call *call, const char *name, size_t length, FILEATTRIBUTE *info) {
    put(call, name, length);
    call_send_at_app(call, GET_FILE_INFO, INFO_SIZE);
    memset(info, 0, sizeof *info);
    memcpy(info->FileName, name, call->status || length > MAX_FILE_NAME_SIZE ? 0 : length);
    info->FileSize = take_u32(call);
    info->ReadRights = take_u32(call);
    info->WriteRights = take_u32(call);
    take_end(call);
}

ULONG DEVAPI SKF_GetFileInfo(HAPPLICATION hApplication, LPSTR szFileName, FILEATTRIBUTE *pFileInfo) {
    struct call call;
    FILEATTRIBUTE info;
    begin(&call, __func__, hApplication);
    if (!pFileInfo) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    size_t length = check_name(&call, szFileName);
    if (!call.status) {
        get_info(&call, szFileName, length, &info);
    }
    if (!call.status) {
        *pFileInfo = info;
    }
    return call_end(&call);
}

static void put_place(struct call *call, ULONG offset, const char *name, size_t length) {
    if (offset > LAST_OFFSET) {
        call_fail(call, SAR_INVALIDPARAMERR); /* what the command can say */
    }
    put_app(call);
    put_u16(call, (uint16_t)offset);
    put_u16(call, (uint16_t)length);
    put(call, name, length);
}

/* `out` has room for `size` bytes; how many were read. */
static ULONG read_pieces(struct call *call, const char *name, size_t length, ULONG offset, ULONG size, BYTE *out) {
    ULONG done = 0;
    while (done < size && !call->status) {
        size_t wanted = size - done < piece_size(call) ? size - done : piece_size(call);
        put_place(call, offset + done, name, length);
        call_send(call, READ_FILE, 0, 0, wanted);
        size_t got = left(call);
        if (got > wanted) {
            call_fail(call, SAR_UNKNOWNERR);
        }
        const uint8_t *piece = take(call, got);
        if (piece) {
            memcpy(out + done, piece, got);
            done += (ULONG)got;
        }
        if (got < wanted) {
            break;
        }
    }
    return done;
}

ULONG DEVAPI SKF_ReadFile(HAPPLICATION hApplication, LPSTR szFileName, ULONG ulOffset, ULONG ulSize, BYTE *pbOutData,
                          ULONG *pulOutLen) {
    struct call call;
    FILEATTRIBUTE info = {0};
    begin(&call, __func__, hApplication);
    if (!pulOutLen) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    size_t length = check_name(&call, szFileName);
    if (!call.status) {
        get_info(&call, szFileName, length, &info);
    }
    if (!call.status && ulOffset > info.FileSize) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    if (!call.status) {
        ULONG room = *pulOutLen, there = info.FileSize - ulOffset;
        *pulOutLen = ulSize < there ? ulSize : there;
        if (pbOutData && room < *pulOutLen) {
            call_fail(&call, SAR_BUFFER_TOO_SMALL);
        } else if (pbOutData) {
            *pulOutLen = read_pieces(&call, szFileName, length, ulOffset, *pulOutLen, pbOutData);
        }
    }
    return call_end(&call);
}

/* The key writes each piece whole or not at all; a write beyond the file's end is refused before the first. */
ULONG DEVAPI SKF_WriteFile(HAPPLICATION hApplication, LPSTR szFileName, ULONG ulOffset, BYTE *pbData, ULONG ulSize) {
    struct call call;
    FILEATTRIBUTE info = {0};
    begin(&call, __func__, hApplication);
    if (!pbData && ulSize) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    size_t length = check_name(&call, szFileName);
    if (!call.status) {
        get_info(&call, szFileName, length, &info);
    }
    if (!call.status && (ulOffset > info.FileSize || ulSize > info.FileSize - ulOffset)) {
        call_fail(&call, SAR_NO_ROOM);
    }
    for (ULONG done = 0, piece; !call.status; done += piece) {
        piece = ulSize - done < piece_size(&call) ? ulSize - done : (ULONG)piece_size(&call);
        put_place(&call, ulOffset + done, szFileName, length);
        put_u16(&call, (uint16_t)piece);
        put(&call, pbData + done, piece);
        call_send(&call, WRITE_FILE, 0, 0, 0);
        if (done + piece == ulSize) {
            break;
        }
    }
    return call_end(&call);
}
