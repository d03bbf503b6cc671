/* The primary's load image as it was compiled on the host, linked in as it is. PRIMARY_IMAGE is
 * the file's name, from the build. */
__asm__(".section .rodata.primary_image, \"a\"\n"
	".balign 4\n"
	".global primary_image_begin, primary_image_end\n"
	"primary_image_begin:\n"
	".incbin \"" PRIMARY_IMAGE "\"\n"
	"primary_image_end:\n"
	".previous\n");
