//! JPEG at full size by libjpeg-turbo's own C code, as mozjpeg carries it: Pillow's algorithms, with the defaults that Pillow keeps. It has
//! the last word about what the port in `exact` does not take: rare samplings, several scans, CMYK.
//!
//! The library reports a fault as an error, after which it never returns, or as a warning, after which it invents something. Both end the
//! decoding here, except for the few warnings that say nothing of the pixels ([`is_harmless`]).

use std::any::Any;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg_sys as sys;
use threshflow::row::Refusal;

use super::room;

/// A picture as the library gives it: 1 (grey), 3 (RGB) or 4 (CMYK, as stored) bytes a pixel.
pub(super) struct Decoded {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) channels: usize,
    pub(super) samples: Vec<u8>,
}

/// One decoding. The library keeps pointers into it, so it stays where it is.
struct Session {
    cinfo: sys::jpeg_decompress_struct,
    errors: sys::jpeg_error_mgr,
    /// The file, for [`zeros_were_skipped`].
    file: *const u8,
    /// Whether the first scan's header was read.
    in_scans: bool,
}

/// What travels up from an error, over the library's frames, to [`decode`].
struct Thrown(Refusal);

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, Refusal> {
    // SAFETY: every field is a number, a pointer or an optional function: all zeros is what the library expects to be given.
    let mut session: Box<Session> = Box::new(unsafe { MaybeUninit::zeroed().assume_init() });
    let session = &raw mut *session;
    // SAFETY: the session lives until this function returns, and nothing else looks at it.
    let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { run(session, bytes) }));
    // SAFETY: what was never created has no memory manager, and then this does nothing. It calls none of our functions.
    unsafe { sys::jpeg_destroy_decompress(&mut (*session).cinfo) };
    outcome.unwrap_or_else(|panic: Box<dyn Any + Send>| match panic.downcast::<Thrown>() {
        Ok(thrown) => Err(thrown.0),
        Err(panic) => resume_unwind(panic),
    })
}

/// SAFETY: `session` points to zeros that stay in place and are used by nobody else while this runs and until they are destroyed.
unsafe fn run(session: *mut Session, bytes: &[u8]) -> Result<Decoded, Refusal> {
    // SAFETY: the calls come in the order that libjpeg.txt asks for. The functions that we give it may unwind, which the library is
    // built for (feature `unwinding`), and it holds nothing that would be lost but its own pools, which the caller destroys.
    unsafe {
        (*session).cinfo.common.err = sys::jpeg_std_error(&mut (*session).errors);
        (*session).errors.error_exit = Some(failed);
        (*session).errors.emit_message = Some(told);
        (*session).errors.output_message = Some(printed);
        (*session).file = bytes.as_ptr();
        let cinfo = &raw mut (*session).cinfo;
        sys::jpeg_create_decompress(cinfo);
        (*cinfo).common.client_data = session.cast();
        let length = sys::c_ulong::try_from(bytes.len()).unwrap_or(sys::c_ulong::MAX);
        sys::jpeg_mem_src(&mut *cinfo, bytes.as_ptr(), length);
        sys::jpeg_read_header(&mut *cinfo, 1);
        (*session).in_scans = true;
        let (channels, space) = match (*cinfo).num_components {
            1 => (1, sys::JCS_GRAYSCALE),
            3 => (3, sys::JCS_RGB),
            4 => (4, sys::JCS_CMYK),
            other => {
                let message = format!("JPEG of {other} components: 1, 3 or 4 are read");
                return Err(Refusal::permanent("unsupported_picture", message));
            }
        };
        (*cinfo).out_color_space = space;
        sys::jpeg_start_decompress(&mut *cinfo);
        let (width, height) = ((*cinfo).output_width, (*cinfo).output_height);
        let row_bytes = width as usize * channels;
        let mut samples = room::zeros(row_bytes as u64 * u64::from(height))?;
        for row in samples.chunks_exact_mut(row_bytes.max(1)) {
            let mut row = row.as_mut_ptr();
            if sys::jpeg_read_scanlines(&mut *cinfo, &raw mut row, 1) != 1 {
                return Err(Refusal::permanent("cut_picture", "JPEG: the decoder has no more rows"));
            }
        }
        sys::jpeg_finish_decompress(&mut *cinfo);
        Ok(Decoded { width, height, channels, samples })
    }
}

/// The library's `error_exit`: must not return.
extern "C-unwind" fn failed(common: &mut sys::jpeg_common_struct) {
    // SAFETY: the library calls this with the error manager that `run` gave it, and its own message in it.
    let (code, text) = unsafe { ((*common.err).msg_code, message(common)) };
    // Not `panic!`: no hook need hear of it.
    resume_unwind(Box::new(Thrown(Refusal::permanent(class_of(code), format!("JPEG: {text}")))));
}

/// The library's `emit_message`: warnings have a negative level.
extern "C-unwind" fn told(common: &mut sys::jpeg_common_struct, level: sys::c_int) {
    // SAFETY: `common` is the head of a session's `cinfo`, to which `client_data` points; null where nothing was read yet.
    if level < 0 && !unsafe { common.client_data.cast::<Session>().as_ref() }.is_some_and(is_harmless) {
        failed(common);
    }
}

extern "C-unwind" fn printed(_common: &mut sys::jpeg_common_struct) {}

/// Whether the warning that stands in the session says nothing of the pixels.
fn is_harmless(session: &Session) -> bool {
    match session.errors.msg_code {
        // Junk between the headers, or zeros that fill up what follows a scan. Other bytes there are a scan that was misread.
        sys::JWRN_EXTRANEOUS_DATA => !session.in_scans || zeros_were_skipped(session),
        code => [sys::JWRN_JFIF_MAJOR, sys::JWRN_ADOBE_XFORM, sys::JWRN_NOT_SEQUENTIAL].contains(&code),
    }
}

/// Whether what the library has just stepped over, in search of a marker, is zeros and nothing else.
fn zeros_were_skipped(session: &Session) -> bool {
    let skipped = session.errors.msg_parm._bindgen_data_[0] as usize;
    // SAFETY: the source that `jpeg_mem_src` made reads the file of this session, of which it has passed `read` bytes, the last that
    // was skipped included. (Where it has run past the end it says so in a warning of its own, which ends the decoding.)
    let passed = unsafe {
        let read = (*session.cinfo.src).next_input_byte.offset_from(session.file);
        std::slice::from_raw_parts(session.file, read.max(0) as usize)
    };
    passed.iter().rev().take(skipped).all(|&byte| byte == 0)
}

/// SAFETY: `common` must be one that the library hands to a function of its error manager.
unsafe fn message(common: &mut sys::jpeg_common_struct) -> String {
    type Format = unsafe extern "C-unwind" fn(&mut sys::jpeg_common_struct, *mut u8);
    let mut text = [0_u8; 80];
    // SAFETY: the library's own function writes a string of at most 80 bytes with its end. The crate declares the place as one that is
    // only read, so it is called by a type that says otherwise and is passed the same way.
    unsafe {
        if let Some(format) = (*common.err).format_message {
            let format: Format = std::mem::transmute(format);
            format(common, text.as_mut_ptr());
        }
    }
    String::from_utf8_lossy(text.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}

fn class_of(code: sys::c_int) -> &'static str {
    let is_one_of = |codes: &[sys::J_MESSAGE_CODE]| codes.contains(&code);
    if is_one_of(&[sys::JWRN_HIT_MARKER, sys::JWRN_JPEG_EOF, sys::JWRN_MUST_RESYNC, sys::JERR_INPUT_EOF]) {
        "cut_picture"
    } else if is_one_of(&[sys::JERR_OUT_OF_MEMORY]) {
        Refusal::OUT_OF_MEMORY
    } else if is_one_of(&[
        sys::JERR_ARITH_NOTIMPL,
        sys::JERR_BAD_MCU_SIZE,
        sys::JERR_BAD_PRECISION,
        sys::JERR_CCIR601_NOTIMPL,
        sys::JERR_COMPONENT_COUNT,
        sys::JERR_CONVERSION_NOTIMPL,
        sys::JERR_FRACT_SAMPLE_NOTIMPL,
        sys::JERR_SOF_UNSUPPORTED,
    ]) {
        "unsupported_picture"
    } else {
        "bad_picture"
    }
}
