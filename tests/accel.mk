# tests of accel
